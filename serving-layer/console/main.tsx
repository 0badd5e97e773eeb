import "./console.css";
import "./theme.ts";
import { render } from "preact";
import { App } from "./app.tsx";
import { watchStatus } from "./status.ts";

addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("console");
  if (root === null) return;
  root.replaceChildren();
  render(<App />, root);
  watchStatus();
});
