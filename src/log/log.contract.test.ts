import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type FileSystem, memoryFileSystem, realSystem } from '../base.ts'
import { type Home, type Homes, runContract } from './log.contract.ts'
import { openTestLog, type TestLog } from './log.testing.ts'

function localHome(disk: FileSystem, directory: string, durability: 'os' | 'fsync'): Home {
  let running: TestLog | null = null
  return {
    open: async () => {
      const settings = { durability, tailBytes: 1 << 20, producerIdExpirationMs: 1e15 }
      running = await openTestLog(disk, settings, () => {}, directory)
      return running.log
    },
    kill: async () => {
      running?.kill()
      await running?.ended()
    },
    giveAway: async (log, { topic, topicId, partition }) => {
      const released = await log.release(topicId, partition)
      assert.deepEqual(released, { topic, topicId, partition, directory: `${topic}-${partition}` })
    },
  }
}

function localHomes(disk: FileSystem, directory: string, durability: 'os' | 'fsync'): Homes {
  const paths = [join(directory, '0'), join(directory, '1')] as const
  const homes = [localHome(disk, paths[0], durability), localHome(disk, paths[1], durability)] as const
  const pathOf = (home: Home) => paths[homes[0] === home ? 0 : 1]
  return { homes, bring: (name, from, to) => disk.rename(join(pathOf(from), name), join(pathOf(to), name)) }
}

for (const durability of ['os', 'fsync'] as const) {
  for (let seed = 1; seed <= 4; seed++)
    test(`${durability}, seed ${seed}`, () => runContract(localHomes(memoryFileSystem(), '/data', durability), seed, 250))

  test(`${durability}, on a real disk`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-contract-'))
    try {
      await runContract(localHomes(realSystem().files, directory, durability), 5, 80)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
}
