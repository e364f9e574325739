// Starts the app.

import { mount } from "svelte";
import "./app.css";
import App from "./App.svelte";
import { session } from "./lib/session.svelte.ts";
import { theme } from "./lib/theme.svelte.ts";
import { startWorker } from "./lib/worker.ts";

theme.apply();
void session.start();
const target = document.getElementById("app");
if (target) mount(App, { target });
startWorker();
