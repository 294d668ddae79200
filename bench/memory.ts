/**
 * Whether memory is as cheap as it should be, and keeping it so. A virtual machine gives free blocks back to its host; a broker that writes
 * to a page which the host has to supply first pays for the host, and every ratio moves towards 1. So each round is preceded by a probe, and
 * rounds on expensive memory are measured again.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { compileC, repository } from '../compat/support/cache.ts'
import { run } from '../compat/support/run.ts'

/** CPU seconds for each GB written to the page cache; 0.2 to 0.25 where memory is there, 1.6 and more where it is not. */
export const dearMemory = 0.3

const block = Buffer.alloc(64 * 1024, 'x')
const probeBytes = 1e9
const longestRunSeconds = 12 * 3600

export function probeMemory(): number {
  const directory = join(repository, '.cache')
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `probe-${process.pid}`)
  const fd = openSync(file, 'w')
  try {
    const before = process.cpuUsage()
    for (let at = 0; at < probeBytes; at += block.length) writeSync(fd, block, 0, block.length, at)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6 / (probeBytes / 1e9)
  } finally {
    closeSync(fd)
    rmSync(file)
  }
}

/** Keeps free memory from going back to the host until this process ends; see hold.c. Returns false where that is not permitted. */
export async function holdMemory(): Promise<boolean> {
  const hold = await compileC(join(import.meta.dirname, 'hold.c'))
  const gibibytes = Math.floor((freemem() / 2 ** 30) * 0.9)
  return new Promise(resolve => {
    const onLine = (line: string) => line === 'ready' && resolve(true)
    run(hold, [String(gibibytes)], { seconds: longestRunSeconds, onLine }).then(() => resolve(false))
  })
}
