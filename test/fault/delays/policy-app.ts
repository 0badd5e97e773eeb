import { defineApp } from "../../../views/index.ts";
import { first, second, third } from "./views.ts";

export default defineApp({ name: "delays", views: [first, second, third], batch: { schedule: null } });
