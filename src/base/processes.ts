/**
 * Whether a process of this machine has ended, as certainly as its kernel knows: for those who would otherwise wait until it must have.
 *
 * A process is named by the boot of the kernel, its namespaces of ids and of time (a container has its own, and cannot see the processes of others), its
 * id, and when it began, because ids are used again. Only Linux tells all of this.
 */
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'

export interface Processes {
  /** This one; null: it has no name here. */
  readonly own: string | null
  /** False also if that cannot be known. */
  hasEnded(name: string): boolean
}

export const processesHere: Processes = {
  get own() {
    return processName(process.pid)
  },
  hasEnded(name) {
    const [boot, processes, time, pid, begun] = name.split(' ')
    if (!/^[1-9]\d*$/.test(pid ?? '') || [boot, processes, time].join(' ') !== namespacesHere()) return false
    if (!isProcessThere(Number(pid))) return true
    const stat = statOf(Number(pid))
    // A zombie has closed its sockets; only its parent has not asked for it yet.
    return stat !== null && (stat.begun !== begun || stat.state === 'Z' || stat.state === 'X')
  },
}

/** null: it has none here, or there is no such process. */
export function processName(pid: number): string | null {
  const namespaces = namespacesHere()
  const stat = statOf(pid)
  return namespaces === null || stat === null ? null : `${namespaces} ${pid} ${stat.begun}`
}

/** The letter of proc(5): `T` is paused, `Z` a zombie; null: there is no such process, or nothing says so here. */
export function processState(pid: number): string | null {
  return statOf(pid)?.state ?? null
}

/** Of this process for as long as it lives; undefined before it is asked for. */
let here: string | null | undefined

function namespacesHere(): string | null {
  here ??= readable(() => {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    // Old kernels have one time for all.
    return [boot, readlinkSync('/proc/self/ns/pid'), readable(() => readlinkSync('/proc/self/ns/time')) ?? 'time'].join(' ')
  })
  return here
}

function statOf(pid: number): { state: string; begun: string } | null {
  const stat = readable(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  // Behind the name of the program, which may contain anything: see proc(5).
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? []
  const [state, begun] = [fields[0], fields[19]]
  return state === undefined || begun === undefined ? null : { state, begun }
}

/** Also where other users' processes are hidden in /proc. */
export function isProcessThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

const lowPriority = 10
const firstToEnd = '1000'

/** A process of ours that should harm nobody: others get time of the processors first, and Linux ends it first when memory is short. */
export function makeExpendable(pid: number): void {
  readable(() => {
    setPriority(pid, lowPriority)
    writeFileSync(`/proc/${pid}/oom_score_adj`, firstToEnd)
    return ''
  })
}

/** Another system than Linux has no such files. */
function readable(read: () => string): string | null {
  try {
    return read()
  } catch {
    return null
  }
}
