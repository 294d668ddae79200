import { test } from 'node:test'
import { memoryFileSystem } from '../base.ts'
import { runContract, type Subject } from './log.contract.ts'
import { openTestLog, partitionOf, type TestLog } from './log.testing.ts'

function subject(durability: 'os' | 'fsync'): Subject {
  const disk = memoryFileSystem()
  let running: TestLog | null = null
  return {
    open: async () => (running = await openTestLog(disk, { durability, tailBytes: 1 << 20, producerIdExpirationMs: 1e15 })).log,
    kill: () => running!.kill(),
    create: (log, partition, config) => partitionOf(log, partition, config),
  }
}

for (const durability of ['os', 'fsync'] as const)
  for (let seed = 1; seed <= 4; seed++) test(`${durability}, seed ${seed}`, () => runContract(subject(durability), seed, 250))
