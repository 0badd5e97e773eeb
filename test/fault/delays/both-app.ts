import { defineApp } from "../../../views/index.ts";
import { first, second } from "./views.ts";

export default defineApp({ name: "delays", views: [first, second], batch: { schedule: null } });
