/**
 * How many connections leave the log enough of the files that the process may have open. Otherwise whoever opens connections, and says
 * nothing, makes segments impossible to open: producers would get KAFKA_STORAGE_ERROR until they are gone.
 */
import type { System } from '../../base.ts'

/** For segments, their indexes and the journal; the log closes what it does not need when it finds no more. */
const reserved = 256

/** Unlimited where the limit cannot be known. */
export function connectionsThatFit({ files }: Pick<System, 'files'>): number {
  const limits = files.readFile('/proc/self/limits')?.toString('latin1')
  const most = limits === undefined ? null : /^Max open files +(\d+)/m.exec(limits)
  return most === null ? Number.POSITIVE_INFINITY : Math.floor(Math.max(Number(most[1]) - reserved, Number(most[1]) / 2))
}
