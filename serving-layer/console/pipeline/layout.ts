/** Where the parts of the pipeline stand, and how what flows between them runs: beside each other, or one below another. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly stages: Readonly<Record<StageName, Box>>;
  readonly flows: readonly Flow[];
}

export type StageName =
  | "producers"
  | "log"
  | "speed"
  | "tail"
  | "master"
  | "batch"
  | "generations"
  | "serving";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export type FlowName =
  | "accepted"
  | "folded"
  | "told"
  | "archived"
  | "computed"
  | "published"
  | "sealed"
  | "answersTail"
  | "answersBatch";

export interface Flow {
  readonly name: FlowName;
  /** SVG path. */
  readonly path: string;
  /** Where its figure stands. */
  readonly label: { readonly x: number; readonly y: number };
}

const low = 96;

export const wide: Layout = {
  width: 1240,
  height: 372,
  stages: {
    producers: { x: 4, y: 138, width: 128, height: low },
    log: { x: 214, y: 112, width: 176, height: 148 },
    speed: { x: 472, y: 30, width: 168, height: low },
    tail: { x: 776, y: 14, width: 192, height: 128 },
    master: { x: 472, y: 246, width: 168, height: low },
    batch: { x: 716, y: 246, width: 150, height: low },
    generations: { x: 938, y: 246, width: 160, height: low },
    serving: { x: 1060, y: 128, width: 176, height: low },
  },
  flows: [
    { name: "accepted", path: "M132 186H214", label: { x: 173, y: 174 } },
    { name: "folded", path: "M390 160C436 160 426 78 472 78", label: { x: 424, y: 108 } },
    { name: "told", path: "M640 78H776", label: { x: 708, y: 66 } },
    { name: "archived", path: "M390 212C436 212 426 294 472 294", label: { x: 424, y: 276 } },
    { name: "computed", path: "M640 294H716", label: { x: 678, y: 282 } },
    { name: "published", path: "M866 294H938", label: { x: 902, y: 282 } },
    { name: "sealed", path: "M872 142C872 200 791 190 791 246", label: { x: 870, y: 200 } },
    { name: "answersTail", path: "M968 78C1080 78 1152 70 1152 128", label: { x: 1070, y: 66 } },
    { name: "answersBatch", path: "M1098 294C1152 294 1152 280 1152 224", label: { x: 1168, y: 286 } },
  ],
};

export const narrow: Layout = {
  width: 358,
  height: 784,
  stages: {
    producers: { x: 99, y: 4, width: 160, height: 84 },
    log: { x: 79, y: 130, width: 200, height: 132 },
    speed: { x: 4, y: 312, width: 160, height: 86 },
    tail: { x: 4, y: 444, width: 160, height: 124 },
    master: { x: 194, y: 312, width: 160, height: 86 },
    batch: { x: 194, y: 438, width: 160, height: 92 },
    generations: { x: 194, y: 570, width: 160, height: 84 },
    serving: { x: 79, y: 696, width: 200, height: 84 },
  },
  flows: [
    { name: "accepted", path: "M179 88V130", label: { x: 222, y: 114 } },
    { name: "folded", path: "M130 262C130 288 84 286 84 312", label: { x: 58, y: 290 } },
    { name: "told", path: "M84 398V444", label: { x: 122, y: 426 } },
    { name: "archived", path: "M228 262C228 288 274 286 274 312", label: { x: 304, y: 290 } },
    { name: "computed", path: "M274 398V438", label: { x: 310, y: 422 } },
    { name: "published", path: "M274 530V570", label: { x: 310, y: 554 } },
    { name: "sealed", path: "M164 484H194", label: { x: 179, y: 474 } },
    { name: "answersTail", path: "M84 568C84 640 128 630 128 696", label: { x: 64, y: 640 } },
    { name: "answersBatch", path: "M274 654C274 678 230 672 230 696", label: { x: 302, y: 680 } },
  ],
};
