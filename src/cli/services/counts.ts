/** What the process beside the services knows of them, for the page of metrics. */
export interface ServicesCounts {
  /** Times that their process was started again. */
  restarts: number
  /** Failures that nobody handled, of all their processes. */
  unhandled: number
}

/** In Prometheus' text format. */
export function servicesMetrics({ restarts, unhandled }: ServicesCounts): string {
  return [
    ['millrace_services_restarts_total', 'Times that the services process was started again.', restarts],
    [
      'millrace_services_unhandled_failures_total',
      'Failures in the services process that nothing handled: faults of the program.',
      unhandled,
    ],
  ]
    .map(([name, help, count]) => `# HELP ${name} ${help}\n# TYPE ${name} counter\n${name} ${count}\n`)
    .join('')
}
