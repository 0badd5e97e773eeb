import { defineApp } from "../../../views/index.ts";
import { first } from "./views.ts";

export default defineApp({ name: "delays", views: [first], batch: { schedule: null } });
