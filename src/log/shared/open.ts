/** Loads the shared home only where there is one: on a machine of its own a broker has nothing of it in memory. */
import type { SharedLog, SharedLogOptions } from './log.ts'

export async function openSharedLog(options: SharedLogOptions): Promise<SharedLog> {
  const { SharedLog } = await import('./log.ts')
  return new SharedLog(options)
}
