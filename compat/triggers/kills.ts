/** Services and functions are killed while records go through: what is counted afterwards. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isProcessThere } from '../../src/base.ts'
import type { Services } from '../support/services.ts'
import { counted, end, eventually, runnersOf, type Stage } from './stage.ts'

const leastRecords = 20_000
const kills = 4
const slowCopy = `export const main_handler = async ({ Records }) => {
  await new Promise(resolve => setTimeout(resolve, 5))
  return Records.map(({ Ckafka }) => ({ key: Ckafka.msgKey, value: Ckafka.msgBody }))
}`

async function through(
  stage: Stage,
  name: string,
  exactlyOnce: boolean,
): Promise<ReturnType<typeof counted> & { records: number; killedRunners: number }> {
  const [from, to] = [`${name}-numbers`, `${name}-copies`]
  await stage.topics(4, from, to)
  await stage.create(name, {
    topics: [from],
    function: { code: slowCopy },
    output: { topic: to, exactlyOnce },
    batchSize: 50,
    maxWaitMs: 10,
    concurrency: { most: 4 },
  })
  let killedRunners = 0
  const others: Services[] = []
  let isKilling = true
  const killing = (async () => {
    for (let kill = 0; kill < kills; kill++) {
      const other = await stage.another()
      others.push(other)
      await eventually('the other one has its share', () => runnersOf(other.pid).length > 0)
      await sleep(500)
      // The functions first, then who calls them: once the other one, once the first.
      for (const runner of runnersOf(other.pid)) {
        process.kill(runner, 'SIGKILL')
        killedRunners++
      }
      await sleep(500)
      if (kill % 2 === 0) await end(other)
      else {
        await stage.killAndStart()
        await other.close()
      }
    }
  })().finally(async () => {
    isKilling = false
    // What follows is not to have any of them beside it.
    await Promise.all(others.map(other => other.close()))
  })
  // It is looked at when all is sent.
  killing.catch(() => {})
  const numbers: string[] = []
  while (isKilling || numbers.length < leastRecords) {
    const more = Array.from({ length: 500 }, (_, at) => String(numbers.length + at))
    await stage.send(from, more, value => value)
    numbers.push(...more)
    await sleep(250)
  }
  await killing
  await stage.done(name, from)
  await eventually('it runs', async () => (await stage.status(name)).state === 'RUNNING')
  return { ...counted(await stage.stored(to), numbers), records: numbers.length, killedRunners }
}

export async function atLeastOnce(stage: Stage): Promise<string> {
  const { records, missing, repeated, foreign, killedRunners } = await through(stage, 'at-least', false)
  if (missing + foreign > 0) throw new Error(`${missing} missing, ${foreign} foreign`)
  return `${records} records, ${kills} services and ${killedRunners} functions killed: none is missing, ${repeated} are there twice`
}

export async function exactlyOnce(stage: Stage): Promise<string> {
  const { records, missing, repeated, foreign, killedRunners } = await through(stage, 'exactly', true)
  if (missing + foreign + repeated > 0) throw new Error(`${missing} missing, ${repeated} repeated, ${foreign} foreign`)
  return `${records} records, ${kills} services and ${killedRunners} functions killed: each is there once`
}

/** The order of a key is kept, through kills: a repetition begins again, but never goes back between two others. */
export async function orderOfKeys(stage: Stage): Promise<string> {
  await stage.topics(2, 'steps')
  await stage.topics(2, 'steps-copies')
  await stage.create('steps', {
    topics: ['steps'],
    function: { code: slowCopy },
    output: { topic: 'steps-copies' },
    batchSize: 20,
    maxWaitMs: 10,
    concurrency: { per: 'key', most: 4 },
  })
  const steps = Array.from({ length: 8_000 }, (_, at) => `${at % 40} ${Math.floor(at / 40)}`)
  await stage.send('steps', steps.slice(0, 4_000), step => step.split(' ')[0]!)
  await stage.killAndStart()
  await stage.send('steps', steps.slice(4_000), step => step.split(' ')[0]!)
  await stage.done('steps', 'steps')
  const seen = new Map<string, number[]>()
  for (const value of await stage.stored('steps-copies')) {
    const [key, step] = value.split(' ') as [string, string]
    seen.set(key, [...(seen.get(key) ?? []), Number(step)])
  }
  let repeated = 0
  for (const [key, numbers] of seen) {
    let expected = 0
    for (const number of numbers) {
      if (number > expected) throw new Error(`key ${key}: ${number} comes before ${expected}`)
      if (number < expected) repeated++
      expected = Math.max(expected, number + 1)
    }
    if (expected !== 200) throw new Error(`key ${key}: only ${expected} of 200`)
  }
  if (seen.size !== 40) throw new Error(`${seen.size} of 40 keys`)
  return `40 keys with 200 records each are in order, ${repeated} are there twice`
}

/** No process of a function outlives the service that has started it. */
export async function orphans(stage: Stage): Promise<string> {
  await stage.topics(1, 'looped')
  const other = await stage.another()
  await stage.create('looping', {
    topics: ['looped'],
    retries: 0,
    function: { code: 'export const main_handler = () => { for (;;); }', timeoutMs: 100_000 },
  })
  await stage.send('looped', ['x'])
  const all = () => [other.pid, stage.services.pid].flatMap(runnersOf)
  await eventually('the function runs', () => all().length >= 1)
  await sleep(1_000)
  const pids = all()
  await end(other)
  await stage.killAndStart()
  await eventually(`processes ${pids} have ended`, () => !pids.some(isProcessThere))
  await stage.ask('DELETE', '/triggers/looping')
  return `${pids.length} processes ended with their services`
}
