/** What work costs, for tests of its bound: other processes on the machine make a clock run on, but not this. */

/** Processor time that this process has used, in ms. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Runs `work` and tells how much processor time of this thread the longest turn of the event loop took meanwhile, in ms. */
export async function longestTurnDuring<T>(work: () => Promise<T>): Promise<{ outcome: T; longestMs: number }> {
  let [longestMs, lastMs, running] = [0, threadMs(), true]
  const turn = () => {
    const now = threadMs()
    longestMs = Math.max(longestMs, now - lastMs)
    lastMs = now
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  const outcome = await work().finally(() => {
    running = false
    turn()
  })
  return { outcome, longestMs }
}

function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
