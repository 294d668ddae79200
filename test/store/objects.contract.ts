/** What every object store must do, compared with a map in memory. Throws an error that names the seed and the step. */
import assert from 'node:assert/strict'
import { type SeededRandom, seededRandom } from '../../sim/world/random.ts'
import { ObjectError, type ObjectStore, objectsPerList } from '../../src/store.ts'

export interface Subject {
  store: ObjectStore
  /** Resolves when a listing knows all that was done. */
  settled(): Promise<void>
  /** A put that was given up may arrive after the object was deleted. */
  late?: boolean
}

const code = (expected: string) => (error: unknown) => error instanceof ObjectError && error.code === expected

/** Random puts, reads, deletions and listings below `prefix`, which is empty before and after. */
export async function runObjectsContract(
  { store, settled, late = false }: Subject,
  prefix: string,
  seed: number,
  steps: number,
): Promise<void> {
  const random = seededRandom(seed)
  const model = new Map<string, Buffer>()
  const deleted = new Set<string>()
  const nameAt = (index: number) => `${prefix}/${index % 3}/${String(index).padStart(6, '0')}`
  let written = 0
  for (let step = 0; step < steps; step++) {
    try {
      const action = random.below(10)
      if (action < 4 || model.size === 0) {
        const content = contentOf(random, random.pick([0, 1, 100, 4_096, 70_000, 300_000]))
        const name = nameAt(written++)
        await store.put(name, cut(random, content))
        // A second time, as after an answer that did not come.
        if (random.chance(0.2)) await store.put(name, [content])
        model.set(name, content)
      } else if (action < 8) await readSome(store, random, model)
      else if (action < 9) {
        const names = [...model.keys()].filter(() => random.chance(0.3))
        await store.delete([...names, `${prefix}/never/there`])
        for (const name of names) {
          model.delete(name)
          deleted.add(name)
        }
      } else {
        await settled()
        await compareListing(store, model, late ? deleted : new Set(), random.pick([prefix, `${prefix}/1/`]))
      }
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, { cause: error })
    }
  }
  await store.delete([...model.keys()])
  await swept({ store, settled, late }, prefix)
}

/** What arrives late is deleted as long as it takes; then nothing is there. */
async function swept({ store, settled, late = false }: Subject, prefix: string): Promise<void> {
  await settled()
  for (let sweeps = 0; late && sweeps < 20; sweeps++) {
    await store.delete((await store.list(prefix)).objects.map(each => each.name))
    await settled()
  }
  assert.deepEqual(await store.list(prefix), { objects: [], more: false })
}

async function readSome(store: ObjectStore, random: SeededRandom, model: ReadonlyMap<string, Buffer>): Promise<void> {
  const [name, content] = random.pick([...model])
  const position = random.below(content.length + 1)
  const length = 1 + random.below(content.length + 1)
  if (position + length > content.length) await assert.rejects(store.get(name, position, length), code('InvalidRange'), name)
  else assert.ok((await store.get(name, position, length)).equals(content.subarray(position, position + length)), `${name} at ${position}`)
  await assert.rejects(store.get(`${name}-missing`, 0, 1), code('NoSuchKey'))
}

async function compareListing(
  store: ObjectStore,
  model: ReadonlyMap<string, Buffer>,
  ghosts: ReadonlySet<string>,
  prefix: string,
): Promise<void> {
  const expected = [...model].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
  const found: [string, number][] = []
  for (let after: string | undefined; ; after = found.at(-1)![0]) {
    const { objects, more } = await store.list(prefix, after)
    for (const { name, bytes } of objects) found.push([name, bytes])
    if (!more) break
  }
  assert.deepEqual(
    found.filter(([name]) => !ghosts.has(name)),
    expected.map(([name, { length }]) => [name, length]),
  )
}

/** More objects than one listing names, and objects that need several parts. */
export async function runLargeObjectsContract(subject: Subject, prefix: string, megabytes: number): Promise<void> {
  const { store, settled } = subject
  const random = seededRandom(1)
  const content = contentOf(random, megabytes * 1024 * 1024 + 17)
  await store.put(`${prefix}/large`, cut(random, content))
  await store.upload(`${prefix}/streamed`, pieces(content))
  await store.upload(`${prefix}/empty`, pieces(Buffer.alloc(0)))
  for (const name of ['large', 'streamed']) {
    // Over the border of two parts, and the end.
    for (const position of [8 * 1024 * 1024 - 10, content.length - 20])
      assert.ok((await store.get(`${prefix}/${name}`, position, 20)).equals(content.subarray(position, position + 20)), name)
  }
  await assert.rejects(store.get(`${prefix}/empty`, 0, 1), code('InvalidRange'))
  await assert.rejects(store.upload(`${prefix}/broken`, failing(content)), /the source failed/)
  const names = Array.from({ length: objectsPerList + 5 }, (_, index) => `${prefix}/many/${String(index).padStart(6, '0')}`)
  for (let at = 0; at < names.length; at += 50) await Promise.all(names.slice(at, at + 50).map(name => store.put(name, [Buffer.from('x')])))
  await settled()
  const first = await store.list(`${prefix}/many/`)
  assert.deepEqual([first.objects.length, first.more], [objectsPerList, true])
  const second = await store.list(`${prefix}/many/`, first.objects.at(-1)!.name)
  assert.deepEqual(
    second.objects.map(each => each.name),
    names.slice(objectsPerList),
  )
  await store.delete([...names, `${prefix}/large`, `${prefix}/streamed`, `${prefix}/empty`])
  await swept(subject, `${prefix}/`)
}

function contentOf(random: SeededRandom, length: number): Buffer {
  const content = Buffer.alloc(length)
  random.fill(content.subarray(0, 1_000))
  for (let at = 1_000; at < length; at += 1_000) content.writeUInt32BE(at, Math.min(at, length - 4))
  return content
}

function cut(random: SeededRandom, content: Buffer): Buffer[] {
  if (content.length < 2 || random.chance(0.5)) return [content]
  const at = random.below(content.length)
  return [content.subarray(0, at), content.subarray(at)]
}

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += 3_000_000) yield content.subarray(at, at + 3_000_000)
}

async function* failing(content: Buffer): AsyncGenerator<Buffer> {
  yield* pieces(content)
  throw new Error('the source failed')
}
