/** What a process costs, from /proc: it and its children, before and after. */
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

/** Runs `work`, once the process `pid` is quiet, and says what it cost it. */
export async function costOf<T>(pid: number, work: () => Promise<T>): Promise<{ result: T; cost: Cost }> {
  await untilQuiet(pid)
  const before = read(pid)
  let rssBytes = before.rssBytes
  const timer = setInterval(() => {
    rssBytes = Math.max(rssBytes, read(pid).rssBytes)
  }, sampleMs)
  try {
    const result = await work()
    await untilQuiet(pid)
    const after = read(pid)
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

export function rssOf(pid: number): number {
  return read(pid).rssBytes
}

export const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function untilQuiet(pid: number): Promise<void> {
  let last = read(pid).cpuSeconds
  for (let waited = 0; waited < quiet.atMostMs; waited += quiet.ms) {
    await pause(quiet.ms)
    const now = read(pid).cpuSeconds
    if (now - last <= quiet.cpuSeconds) return
    last = now
  }
}

function read(root: number): Cost {
  const total = { cpuSeconds: 0, writtenBytes: 0, rssBytes: 0 }
  for (const pid of [root, ...childrenOf(root)]) {
    // Behind the name in brackets: state is field 3, utime 14, stime 15.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    total.cpuSeconds += (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
    total.writtenBytes += field(readFileSync(`/proc/${pid}/io`, 'latin1'), 'write_bytes')
    total.rssBytes += field(readFileSync(`/proc/${pid}/status`, 'latin1'), 'VmRSS') * 1024
  }
  return total
}

function field(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`/proc does not say ${name}`)
  return Number(value)
}

function childrenOf(pid: number): number[] {
  const direct = readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number),
  )
  return [...direct, ...direct.flatMap(childrenOf)]
}
