/** What processes cost, from /proc: they and their children, before and after. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Cost {
  cpuSeconds: number
  /** What the kernel sent, or will send, to the disk for it. */
  writtenBytes: number
  /** The most memory seen while it worked. */
  rssBytes: number
}

/** The clock tick of /proc/PID/stat on every Linux there is. */
const ticksPerSecond = 100
const sampleMs = 100
/** Work put off until after the answer is work all the same: the meter runs on until the process is quiet. */
const quiet = { ms: 300, cpuSeconds: 0.03, atMostMs: 8000 }

/** One, or several that are paid together. */
export type Pids = number | readonly number[]

/** Runs `work`, once the processes are quiet, and says what it cost them. */
export async function costOf<T>(pids: Pids, work: () => Promise<T>): Promise<{ result: T; cost: Cost }> {
  await untilQuiet(pids)
  const before = read(pids)
  let rssBytes = before.rssBytes
  const timer = setInterval(() => {
    rssBytes = Math.max(rssBytes, read(pids).rssBytes)
  }, sampleMs)
  try {
    const result = await work()
    await untilQuiet(pids)
    const after = read(pids)
    const cost = {
      cpuSeconds: after.cpuSeconds - before.cpuSeconds,
      writtenBytes: after.writtenBytes - before.writtenBytes,
      rssBytes: Math.max(rssBytes, after.rssBytes),
    }
    return { result, cost }
  } finally {
    clearInterval(timer)
  }
}

export function rssOf(pids: Pids): number {
  return read(pids).rssBytes
}

export const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

export function quantile(ascending: readonly number[], part: number): number {
  const found = ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * part))]
  if (found === undefined) throw new Error('there is nothing of which to take a quantile')
  return found
}

async function untilQuiet(pids: Pids): Promise<void> {
  let last = read(pids).cpuSeconds
  for (let waited = 0; waited < quiet.atMostMs; waited += quiet.ms) {
    await pause(quiet.ms)
    const now = read(pids).cpuSeconds
    if (now - last <= quiet.cpuSeconds) return
    last = now
  }
}

function read(pids: Pids): Cost {
  const total = { cpuSeconds: 0, writtenBytes: 0, rssBytes: 0 }
  for (const root of [pids].flat()) {
    add(total, root)
    for (const child of childrenOf(root)) {
      try {
        add(total, child)
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }
  }
  return total
}

function add(total: Cost, pid: number): void {
  const io = readFileSync(`/proc/${pid}/io`, 'latin1')
  const status = readFileSync(`/proc/${pid}/status`, 'latin1')
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // Behind the name in brackets: state is field 3, utime 14, stime 15; 16 and 17 are those of children that have ended, as PostgreSQL's do.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  for (const ticks of fields.slice(11, 15)) total.cpuSeconds += Number(ticks) / ticksPerSecond
  total.writtenBytes += field(io, 'write_bytes')
  // A process that is ending has no memory any more.
  if (status.includes('VmRSS')) total.rssBytes += field(status, 'VmRSS') * 1024
}

/** It has ended since it was listed. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function field(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`/proc does not say ${name}`)
  return Number(value)
}

function childrenOf(pid: number): number[] {
  try {
    const direct = readdirSync(`/proc/${pid}/task`).flatMap(task =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number),
    )
    return [...direct, ...direct.flatMap(childrenOf)]
  } catch (error) {
    if (!isGone(error)) throw error
    return []
  }
}
