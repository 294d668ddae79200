/**
 * Whether a position is one of the server that is asked now: a standby that was promoted, or a server that was restored, goes on with a timeline of its own, on
 * which the WAL behind the place where they parted has other changes
 * (https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES).
 */
import type { Client } from 'pg'
import { ask } from './connection.ts'
import { lsnText, parseLsn } from './lsn.ts'
import type { Position } from './position.ts'
import type { Slot } from './slot.ts'

/** By a connection for replication; null: the server does not say. */
export async function timelineOf(client: Client): Promise<number | null> {
  const [row] = await ask(client, 'IDENTIFY_SYSTEM')
  return row === undefined ? null : Number(row['timeline'])
}

export interface Resumed {
  /** On this server; null: changes behind the position are gone. */
  readonly position: Position | null
  /** What is not as it should be. */
  readonly problem: string | null
}

/** `timeline`: of the server. `slot`: the one that it has. By a connection for replication. */
export async function resumed(client: Client, position: Position, slot: Slot, timeline: number | null): Promise<Resumed> {
  // Stored by an earlier version, or by Debezium.
  if (position.timeline === null || timeline === null) return { position: { ...position, timeline }, problem: null }
  if (position.timeline === timeline) return { position, problem: null }
  const end = await endOf(client, timeline, position.timeline)
  if (end === null)
    return {
      position: null,
      problem: `it is another server, or one that was restored: its timeline ${timeline} does not go on from ${position.timeline}`,
    }
  const failover = `it has gone on from timeline ${position.timeline} with ${timeline} at ${lsnText(end)}`
  if (slot.confirmed > end)
    return { position: null, problem: `${failover}, as after a failover, and its slot was made behind that, at ${lsnText(slot.confirmed)}` }
  const reached = reachedBy(position)
  if (reached <= end) return { position: { ...position, timeline }, problem: null }
  return {
    position: { ...position, commit: position.commit > end ? end : position.commit, within: null, message: 0n, timeline },
    problem: `${failover}, as after a failover, without the changes up to ${lsnText(reached)}, which were read: what they have changed may be in topics, and not in the database`,
  }
}

function reachedBy({ commit, within, message }: Position): bigint {
  return [commit, message, within?.transaction ?? within?.lsn ?? 0n].reduce((most, each) => (each > most ? each : most))
}

/** Where the WAL of an earlier timeline ends, from which this one has gone on; null: it has not. */
async function endOf(client: Client, timeline: number, earlier: number): Promise<bigint | null> {
  const [row] = await ask(client, `TIMELINE_HISTORY ${timeline}`)
  for (const line of String(row?.['content'] ?? '').split('\n')) {
    const [id, end] = line.trim().split(/\s+/)
    if (Number(id) === earlier && end !== undefined) return parseLsn(end)
  }
  return null
}
