/** What triggers have done in this process, for Prometheus and the API. */

export interface TriggerCounts {
  calls: number
  /** By kind: of calls, and of the output (`delivery`). */
  errors: Record<string, number>
  coldStarts: number
  /** Calls that had to wait, or were refused for a while. */
  throttles: number
  /** Records that are done: called with, filtered out, or given up. */
  records: number
  filtered: number
  filterErrors: number
  givenUp: number
  /** Of calls. */
  seconds: number
  lastError: { at: string; kind: string; message: string } | null
}

/** How a trigger does now. */
export interface TriggerNow {
  readonly name: string
  readonly state: string
  /** Of the oldest record that is not done; 0: none waits. */
  readonly ageMs: number
}

export class TriggerMetrics {
  readonly #counts = new Map<string, TriggerCounts>()

  of(name: string): TriggerCounts {
    let counts = this.#counts.get(name)
    if (counts === undefined) this.#counts.set(name, (counts = emptyCounts()))
    return counts
  }

  forget(name: string): void {
    this.#counts.delete(name)
  }

  /** In Prometheus' format. */
  text(triggers: readonly TriggerNow[]): string {
    const lines: string[] = []
    for (const { name, type, help, values } of metrics) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
      for (const trigger of triggers)
        for (const [labels, value] of values({ ...trigger, ...this.of(trigger.name) }))
          lines.push(`${name}{trigger="${trigger.name}"${labels}} ${value}`)
    }
    return `${lines.join('\n')}\n`
  }
}

function emptyCounts(): TriggerCounts {
  return {
    calls: 0,
    errors: {},
    coldStarts: 0,
    throttles: 0,
    records: 0,
    filtered: 0,
    filterErrors: 0,
    givenUp: 0,
    seconds: 0,
    lastError: null,
  }
}

type Values = (counts: TriggerCounts & TriggerNow) => readonly (readonly [labels: string, value: number])[]

const one =
  (value: (counts: TriggerCounts & TriggerNow) => number): Values =>
  counts => [['', value(counts)]]

/** Names of triggers need no escapes. */
const metrics: readonly { name: string; type: 'counter' | 'gauge'; help: string; values: Values }[] = [
  { name: 'millrace_trigger_calls_total', type: 'counter', help: 'Calls of the function.', values: one(({ calls }) => calls) },
  {
    name: 'millrace_trigger_errors_total',
    type: 'counter',
    help: 'Failures, by kind: of calls, and (kind delivery) of the output.',
    values: ({ errors }) => Object.entries(errors).map(([kind, count]) => [`,kind="${kind}"`, count] as const),
  },
  {
    name: 'millrace_trigger_duration_seconds_total',
    type: 'counter',
    help: 'Time in the function.',
    values: one(({ seconds }) => seconds),
  },
  {
    name: 'millrace_trigger_cold_starts_total',
    type: 'counter',
    help: 'Calls that had to start a process.',
    values: one(({ coldStarts }) => coldStarts),
  },
  {
    name: 'millrace_trigger_throttles_total',
    type: 'counter',
    help: 'Calls that had to wait for others.',
    values: one(({ throttles }) => throttles),
  },
  { name: 'millrace_trigger_records_total', type: 'counter', help: 'Records that are done.', values: one(({ records }) => records) },
  {
    name: 'millrace_trigger_filtered_total',
    type: 'counter',
    help: 'Records that the filter has left out.',
    values: one(({ filtered }) => filtered),
  },
  {
    name: 'millrace_trigger_filter_errors_total',
    type: 'counter',
    help: 'Records of which the filter could not say whether they match; they are left out.',
    values: one(({ filterErrors }) => filterErrors),
  },
  {
    name: 'millrace_trigger_given_up_total',
    type: 'counter',
    help: 'Records that went to where failures go.',
    values: one(({ givenUp }) => givenUp),
  },
  {
    name: 'millrace_trigger_age_seconds',
    type: 'gauge',
    help: 'Age of the oldest record that is not done; 0: none waits.',
    values: one(({ ageMs }) => ageMs / 1_000),
  },
  {
    name: 'millrace_trigger_state',
    type: 'gauge',
    help: '1 for the state: STARTING, RUNNING, RETRYING (the same records again and again), WAITING (no such topic), FAILED, PAUSED.',
    values: ({ state }) => [[`,state="${state}"`, 1]],
  },
]
