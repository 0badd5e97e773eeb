import { layersApp } from "./layers-app.ts";

export default layersApp("batch", "speed", "both");
