/**
 * The frame of every fault test: a separate broker, an innocent client that keeps working during the attack, and afterwards the
 * check that nothing is left of the attack: the innocent client was served in time, sockets and memory are released.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { buildBatch } from '../../sim/world/batches.ts'
import { type Millrace, startBroker } from '../../src/millrace.ts'
import { connect, createTopic, fetchRecords, produce, type RawClient } from './client.ts'
import { collectGarbage } from './garbage.ts'

/** Generous, because test machines are slow; an event loop that is held up by an attack takes far longer. */
const longestAnswerMs = 2000
const mostGrowthBytes = 64 * 2 ** 20
const settleMs = 10_000
/** A worker thread that the attack made the broker start stays, with the descriptors of its event loop. */
const threadDescriptors = 8

export interface Attacked {
  broker: Millrace
  port: number
}

export async function attack(config: Record<string, string>, work: (it: Attacked) => Promise<void>): Promise<void> {
  const broker = await startBroker({ memory: true, config })
  try {
    const innocent = await connect(broker.port, 'innocent', '127.0.0.2')
    await createTopic(innocent, 'innocent')
    await serve(innocent)
    const before = await resources()
    const worker = new Innocent(innocent)
    try {
      await work({ broker, port: broker.port })
    } finally {
      await worker.stop()
    }
    assert.ok(worker.slowestMs < longestAnswerMs, `an innocent client waited ${Math.round(worker.slowestMs)} ms`)
    await backTo(before)
    innocent.close()
  } finally {
    await broker.close()
  }
}

class Innocent {
  slowestMs = 0
  #running = true
  readonly #done: Promise<void>

  constructor(client: RawClient) {
    this.#done = this.#work(client)
    this.#done.catch(() => {})
  }

  async #work(client: RawClient): Promise<void> {
    while (this.#running) {
      const start = performance.now()
      await serve(client)
      this.slowestMs = Math.max(this.slowestMs, performance.now() - start)
      await sleep(20)
    }
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#done
  }
}

let served = 0
async function serve(client: RawClient): Promise<void> {
  const value = `innocent ${served++}`
  const { errorCode, baseOffset } = await produce(client, 'innocent', buildBatch({ values: [value], timestampMs: Date.now() }))
  assert.equal(errorCode, 0)
  assert.ok((await fetchRecords(client, 'innocent', baseOffset)).records.includes(value))
}

interface Resources {
  bytes: number
  descriptors: number
}

async function resources(): Promise<Resources> {
  // Twice, with a turn between: what finalizers let go is collected by the second.
  collectGarbage()
  await sleep(10)
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return { bytes: heapUsed + external, descriptors: openDescriptors() }
}

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

/** What the attack took is given back, soon. */
async function backTo(before: Resources): Promise<void> {
  const deadline = performance.now() + settleMs
  for (;;) {
    const now = await resources()
    const growth = now.bytes - before.bytes
    if (now.descriptors <= before.descriptors + threadDescriptors && growth < mostGrowthBytes) return
    if (performance.now() > deadline) {
      assert.ok(
        now.descriptors <= before.descriptors + threadDescriptors,
        `${now.descriptors - before.descriptors} descriptors are left open`,
      )
      assert.fail(`memory grew by ${Math.round(growth / 2 ** 20)} MiB`)
    }
    await sleep(100)
  }
}

/** The broker ends the connection, without an answer. */
export async function expectClosed(client: RawClient, what: string): Promise<void> {
  const outcome = await Promise.race([
    client.closed.then(() => 'closed'),
    client.nextFrame().then(
      () => 'answered',
      () => 'closed',
    ),
    sleep(5000, 'open'),
  ])
  client.close()
  assert.equal(outcome, 'closed', what)
}
