import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/**
 * Counts flights per key and hour of event time with Kafka Streams. Takes commands, one a line, and answers each with a line:
 *
 *   count APPLICATION GUARANTEE TOPIC OUTPUT EVENTS  reads so many from the beginning on: milliseconds, from the assignment on
 *   follow APPLICATION GUARANTEE TOPIC OUTPUT        reads on until the next command: "running"
 *   stop                                             "stopped"
 *
 * Arguments: the brokers, and a folder for what Kafka Streams keeps on disk.
 */
public final class CountPerKeyAndHour {
  record Data(String origin, String destination, int delay, int distance) {}

  record Flight(String id, String source, String type, String time, Data data) {}

  /** What is late counts, too, however late it is. */
  private static final Duration GRACE = Duration.ofDays(365);

  private static final Duration HOUR = Duration.ofHours(1);
  private static final Duration CLOSING = Duration.ofSeconds(30);

  private final String brokers;
  private final String folder;
  private volatile long assignedAt;
  private volatile long left;
  private final CompletableFuture<Void> failed = new CompletableFuture<>();

  private CountPerKeyAndHour(String brokers, String folder) {
    this.brokers = brokers;
    this.folder = folder;
  }

  public static void main(String[] args) throws Exception {
    var program = new CountPerKeyAndHour(args[0], args[1]);
    var commands = new BufferedReader(new InputStreamReader(System.in));
    KafkaStreams following = null;
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      var words = line.split(" ");
      switch (words[0]) {
        case "count" -> System.out.println(program.count(words));
        case "follow" -> {
          following = program.start(words, new CountDownLatch(1));
          System.out.println("running");
        }
        case "stop" -> {
          following.close(CLOSING);
          following.cleanUp();
          System.out.println("stopped");
        }
        default -> throw new IllegalArgumentException(line);
      }
    }
    System.exit(0);
  }

  private double count(String[] words) throws Exception {
    left = Long.parseLong(words[5]);
    var counted = new CountDownLatch(1);
    var streams = start(words, counted);
    CompletableFuture.anyOf(failed, CompletableFuture.runAsync(() -> await(counted))).get();
    var ms = (System.nanoTime() - assignedAt) / 1e6;
    streams.close(CLOSING);
    streams.cleanUp();
    return ms;
  }

  /** Comes back once it has partitions to read. */
  private KafkaStreams start(String[] words, CountDownLatch counted) {
    var running = new CountDownLatch(1);
    var streams = new KafkaStreams(topology(words[3], words[4], counted), settings(words[1], words[2]));
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          failed.completeExceptionally(error);
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    streams.setStateListener(
        (state, before) -> {
          if (state != KafkaStreams.State.RUNNING) return;
          assignedAt = System.nanoTime();
          running.countDown();
        });
    streams.start();
    await(running);
    return streams;
  }

  private Topology topology(String topic, String output, CountDownLatch counted) {
    var builder = new StreamsBuilder();
    var flights =
        Consumed.with(Serdes.String(), flightSerde())
            .withTimestampExtractor(
                (record, before) -> Instant.parse(((Flight) record.value()).time()).toEpochMilli());
    var counts = Stores.inMemoryWindowStore("counts", GRACE.plus(HOUR), HOUR, false);
    builder.stream(topic, flights)
        .peek(
            (key, flight) -> {
              // One stream thread has all partitions.
              if (--left == 0) counted.countDown();
            })
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeAndGrace(HOUR, GRACE))
        .count(
            Materialized.<String, Long>as(counts)
                .withKeySerde(Serdes.String())
                .withValueSerde(Serdes.Long()))
        .toStream()
        .map((window, count) -> KeyValue.pair(window.key() + "|" + window.window().start(), count))
        .to(output, Produced.with(Serdes.String(), Serdes.Long()));
    return builder.build();
  }

  private Properties settings(String application, String guarantee) {
    var settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, guarantee);
    // What it is with exactly_once_v2 by default.
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    return settings;
  }

  private static Serde<Flight> flightSerde() {
    ObjectReader reader =
        new ObjectMapper()
            .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false)
            .readerFor(Flight.class);
    Deserializer<Flight> deserializer =
        (topic, bytes) -> {
          try {
            return reader.readValue(bytes);
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        };
    return Serdes.serdeFrom(
        (topic, flight) -> {
          throw new UnsupportedOperationException();
        },
        deserializer);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException error) {
      throw new IllegalStateException(error);
    }
  }
}
