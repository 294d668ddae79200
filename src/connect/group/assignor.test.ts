import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameOfTask, noWork, type Work, withoutWork, withWork } from '../names.ts'
import { Assignor } from './assignor.ts'

/** A group of workers that do what they are told. */
class Group {
  now = 0
  readonly works = new Map<string, Work>()
  readonly urls = new Map<string, string>()
  readonly #assignor: Assignor
  #generation = 0

  constructor(maxDelayMs: number) {
    this.#assignor = new Assignor(maxDelayMs, () => this.now)
  }

  /** One round; resolves to whether another one has to follow, and when. */
  round(configured: Record<string, number>): { revoked: number; delayMs: number } {
    const generation = this.#generation + 1
    const { assigned, revoked, all, delayMs } = this.#assignor.assign(new Map(Object.entries(configured)), this.works, {
      lastGeneration: this.#generation,
      generation,
      urls: this.urls,
    })
    this.#generation = generation
    let count = 0
    for (const [member, work] of this.works) {
      const gone = revoked.get(member)!
      count += gone.connectors.length + gone.tasks.length
      const next = withWork(withoutWork(work, gone), assigned.get(member)!)
      this.works.set(member, next)
      assert.deepEqual(sorted(next), sorted(all.get(member)!))
    }
    const everything = [...this.works.values()].flatMap(({ connectors, tasks }) => [...connectors, ...tasks.map(nameOfTask)])
    assert.equal(new Set(everything).size, everything.length, 'nothing runs twice')
    return { revoked: count, delayMs }
  }

  sizes(): Record<string, [number, number]> {
    return Object.fromEntries(Array.from(this.works, ([member, { connectors, tasks }]) => [member, [connectors.length, tasks.length]]))
  }
}

function sorted({ connectors, tasks }: Work): string[] {
  return [...connectors, ...tasks.map(nameOfTask)].sort()
}

test('what is new is spread, and what is deleted is given up', () => {
  const group = new Group(0)
  group.works.set('a', noWork).set('b', noWork)
  assert.deepEqual(group.round({ x: 3, y: 1 }), { revoked: 0, delayMs: 0 })
  assert.deepEqual(group.sizes(), { a: [1, 2], b: [1, 2] })
  assert.deepEqual(group.round({ x: 3 }), { revoked: 2, delayMs: 0 })
  const { a, b } = group.sizes()
  assert.equal(a![1] + b![1], 3)
})

test('a worker that comes gets its share in the round after the others have given it up', () => {
  const group = new Group(0)
  group.works.set('a', noWork)
  group.round({ x: 4 })
  group.works.set('b', noWork)
  assert.equal(group.round({ x: 4 }).revoked, 2)
  assert.deepEqual(group.sizes()['b'], [0, 0])
  group.round({ x: 4 })
  assert.deepEqual(group.sizes(), { a: [1, 2], b: [0, 2] })
})

test('what a lost worker had waits for it, and goes to the others after the delay', () => {
  const group = new Group(300)
  group.works.set('a', noWork).set('b', noWork)
  group.round({ x: 4 })
  const lost = group.works.get('b')!
  group.works.delete('b')
  assert.equal(group.round({ x: 4 }).delayMs, 300)
  assert.equal(group.sizes()['a']![1], 2)
  group.now = 100
  assert.equal(group.round({ x: 4 }).delayMs, 200)
  group.now = 301
  assert.equal(group.round({ x: 4 }).delayMs, 0)
  assert.deepEqual(group.sizes(), { a: [1, 4] })
  assert.equal(lost.tasks.length, 2)
})

test('a worker that comes back with nothing while it is waited for gets what it had', () => {
  const group = new Group(300)
  group.works.set('a', noWork).set('b', noWork)
  group.round({ x: 4 })
  const before = group.works.get('b')!
  group.works.delete('b')
  group.round({ x: 4 })
  group.works.set('b2', noWork)
  group.now = 100
  group.round({ x: 4 })
  assert.deepEqual(group.sizes()['b2'], [0, 0])
  group.now = 301
  group.round({ x: 4 })
  assert.deepEqual(sorted(group.works.get('b2')!), sorted(before))
})

test('a worker that is back under its URL has what it had at once, and what others had still waits', () => {
  const group = new Group(300)
  for (const name of ['a', 'b', 'c']) {
    group.works.set(name, noWork)
    group.urls.set(name, `http://${name}`)
  }
  group.round({ x: 6 })
  const [b, c] = [group.works.get('b')!, group.works.get('c')!]
  group.works.delete('b')
  group.works.delete('c')
  assert.equal(group.round({ x: 6 }).delayMs, 300)
  group.works.set('b2', noWork)
  group.urls.set('b2', 'http://b')
  group.now = 100
  assert.equal(group.round({ x: 6 }).delayMs, 200)
  assert.deepEqual(sorted(group.works.get('b2')!), sorted(b))
  group.works.set('c2', noWork)
  group.urls.set('c2', 'http://c')
  assert.equal(group.round({ x: 6 }).delayMs, 0)
  assert.deepEqual(sorted(group.works.get('c2')!), sorted(c))
})

test('the one worker of a group does not wait for itself, whatever its URL', () => {
  const group = new Group(300)
  group.works.set('a', noWork)
  group.round({ x: 2 })
  group.works.delete('a')
  group.works.set('a2', noWork)
  assert.equal(group.round({ x: 2 }).delayMs, 0)
  assert.deepEqual(group.sizes(), { a2: [1, 2] })
})

test('what two workers run is given up by both', () => {
  const group = new Group(0)
  const task = { connector: 'x', task: 0 }
  group.works.set('a', { connectors: ['x'], tasks: [task] }).set('b', { connectors: [], tasks: [task] })
  const assignor = new Assignor(0, () => 0)
  const { revoked, assigned } = assignor.assign(new Map([['x', 1]]), group.works, { lastGeneration: 0, generation: 1, urls: new Map() })
  for (const member of ['a', 'b']) assert.deepEqual(revoked.get(member)!.tasks, [task])
  assert.deepEqual(assigned.get('a')!.tasks, [])
})
