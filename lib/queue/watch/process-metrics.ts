/** Metrics of this process, under the names that Prometheus's client libraries use. */
import { readdirSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { Registry } from "../../core/metrics.ts";
import { VERSION } from "../../core/version.ts";

const NS_PER_S = 1e9;

export interface ProcessMetrics {
  /** Reads the current values into the registry. */
  update(): void;
  stop(): void;
}

export function processMetrics(registry: Registry): ProcessMetrics {
  const gauge = (name: string, help: string) => registry.gauge({ name, help });
  const cpu = registry.counter({ name: "process_cpu_seconds_total", help: "Processor time of user and kernel." });
  const memory = gauge("process_resident_memory_bytes", "Resident memory.");
  const start = gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.");
  const files = gauge("process_open_fds", "Open file descriptors.");
  const lag = gauge(
    "nodejs_eventloop_lag_p99_seconds",
    "Delay of the event loop, 99th percentile since the last read.",
  );
  const lagMax = gauge("nodejs_eventloop_lag_max_seconds", "Longest delay of the event loop since the last read.");
  const build = registry.gauge({
    name: "container_builder_build_info",
    help: "Always 1; its labels are the versions.",
    labels: ["version", "node"],
  });
  build.set(1, { version: VERSION, node: process.versions.node });
  start.set(Date.now() / 1000 - process.uptime());
  const delay = monitorEventLoopDelay();
  delay.enable();
  let countedSeconds = 0;
  return {
    update() {
      const { user, system } = process.cpuUsage();
      const usedSeconds = (user + system) / 1e6;
      cpu.add(usedSeconds - countedSeconds);
      countedSeconds = usedSeconds;
      memory.set(process.memoryUsage.rss());
      files.set(openFiles());
      lag.set(delayOf(delay, delay.percentile(99)));
      lagMax.set(delayOf(delay, delay.max));
      delay.reset();
    },
    stop: () => void delay.disable(),
  };
}

/** 0 before the first measurement: the histogram has NaN and a large minimum then. The timer's own 10 ms are subtracted. */
function delayOf({ count }: IntervalHistogram, ns: number): number {
  return count === 0 ? 0 : Math.max(0, ns / NS_PER_S - 0.01);
}

/** Less the one that the reading itself opens. */
const openFiles = (): number => readdirSync("/proc/self/fd").length - 1;
