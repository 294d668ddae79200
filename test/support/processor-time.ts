/** What work costs, for tests of its bound: other processes on the machine make a clock run on, but not this. */

/** Processor time that this process has used, in ms. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
