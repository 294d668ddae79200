import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultValue, type FileSystem, memoryFileSystem, parseValue, realSystem, type System } from '../../base.ts'
import type { SourceDefinition, SourceRecord, Struct } from '../../connector.ts'
import { eventsOf } from './events.ts'
import { files } from './files.ts'
import { expressionOf, glob } from './glob.ts'

const definition = files as SourceDefinition

/** A disk whose files have inodes, which stay when they are renamed. */
class Disk {
  readonly files: FileSystem
  readonly #inodes = new Map<string, number>()
  #next = 1
  #nowMs = 0
  readonly system: System

  constructor() {
    const memory = memoryFileSystem()
    this.files = {
      ...memory,
      stat: path => {
        const found = memory.stat(path)
        return found === null ? null : { ...found, inode: this.#inodes.get(path)! }
      },
      rename: (from, to) => {
        memory.rename(from, to)
        this.#inodes.set(to, this.#inodes.get(from)!)
        this.#inodes.delete(from)
      },
    }
    const real = realSystem()
    this.system = {
      ...real,
      files: this.files,
      clock: { ...real.clock, monotonic: () => this.#nowMs },
      timers: {
        ...real.timers,
        after: (ms, callback) => {
          this.#nowMs += ms
          return real.timers.after(0, callback)
        },
      },
    }
  }

  append(path: string, text: string, inode?: number): void {
    if (!this.files.exists(path)) this.#inodes.set(path, inode ?? this.#next++)
    const handle = this.files.open(path, 'rw')
    handle.writeSync([Buffer.from(text)], handle.size())
    handle.close()
  }

  truncate(path: string): void {
    const handle = this.files.open(path, 'r+')
    handle.truncate(0)
    handle.close()
  }

  remove(path: string): number {
    const inode = this.#inodes.get(path)!
    this.files.remove(path)
    this.#inodes.delete(path)
    return inode
  }
}

/** What a worker does: keeps offsets by partition. */
async function openSource(disk: Disk, config: Readonly<Record<string, string>>, offsets = new Map<string, Struct>()) {
  const values: Record<string, unknown> = {}
  for (const [name, key] of Object.entries(definition.config))
    values[name] = config[name] === undefined ? defaultValue(name, key) : parseValue(name, key, config[name]).value
  const silent = () => {}
  const task = await definition.open(values, {
    connector: 'c',
    task: 0,
    system: disk.system,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    signal: new AbortController().signal,
    count: silent,
    gauge: silent,
    transaction: null,
    storedOffsets: async partitions => partitions.map(partition => offsets.get(JSON.stringify(partition)) ?? null),
    async storeOffsets(begun) {
      for (const { sourcePartition, sourceOffset } of begun) offsets.set(JSON.stringify(sourcePartition), sourceOffset)
    },
    reconfigure: silent,
  })
  const read = async (polls = 8) => {
    const found: SourceRecord[] = []
    for (let poll = 0; poll < polls; poll++) {
      const records = await task.poll()
      for (const { sourcePartition, sourceOffset } of records) offsets.set(JSON.stringify(sourcePartition), sourceOffset)
      found.push(...records)
    }
    return found.map(({ value }) => value)
  }
  return { task, read, offsets }
}

const config = { path: '/log/*.log', topic: 'logs' }

test('lines are read as they come, and after a start from where it ended', async () => {
  const disk = new Disk()
  disk.files.makeDirectory('/log')
  disk.append('/log/a.log', 'one\r\ntwo\nhal')
  const first = await openSource(disk, config)
  assert.deepEqual(await first.read(2), ['one', 'two'])
  disk.append('/log/a.log', 'f\n')
  disk.append('/log/b.log', 'other\n')
  assert.deepEqual((await first.read()).sort(), ['half', 'other'])
  await first.task.close()
  disk.append('/log/a.log', 'three\n')
  const second = await openSource(disk, config, first.offsets)
  assert.deepEqual(await second.read(), ['three'])
  await second.task.close()
})

test('a file that is rotated is read to its end, also if that was in the meantime', async () => {
  const disk = new Disk()
  disk.files.makeDirectory('/log')
  disk.append('/log/a.log', 'one\n')
  const { task, read, offsets } = await openSource(disk, config)
  assert.deepEqual(await read(), ['one'])
  disk.append('/log/a.log', 'two\nlast')
  disk.files.rename('/log/a.log', '/log/a.log.1')
  disk.append('/log/a.log', 'new\n')
  assert.deepEqual((await read()).sort(), ['last', 'new', 'two'])
  await task.close()
  disk.append('/log/a.log', 'more\n')
  disk.files.rename('/log/a.log', '/log/b.log')
  const again = await openSource(disk, config, offsets)
  assert.deepEqual(await again.read(), ['more'])
  await again.task.close()
})

test('a truncated file begins again, and so does another one with the inode of one that is gone', async () => {
  const disk = new Disk()
  disk.files.makeDirectory('/log')
  disk.append('/log/a.log', 'one two three\n')
  const { task, read, offsets } = await openSource(disk, config)
  assert.deepEqual(await read(), ['one two three'])
  disk.truncate('/log/a.log')
  disk.append('/log/a.log', 'four\n')
  assert.deepEqual(await read(), ['four'])
  await task.close()
  const inode = disk.remove('/log/a.log')
  disk.append('/log/c.log', 'quite another\n', inode)
  const again = await openSource(disk, config, offsets)
  assert.deepEqual(await again.read(), ['quite another'])
  await again.task.close()
})

test('reading can begin at the end, and files can be left out', async () => {
  const disk = new Disk()
  disk.files.makeDirectory('/log')
  disk.append('/log/a.log', 'old\n')
  disk.append('/log/debug.log', 'no\n')
  const { task, read } = await openSource(disk, { ...config, 'read.from': 'end', exclude: 'debug*' })
  assert.deepEqual(await read(), [])
  disk.append('/log/a.log', 'new\n')
  disk.append('/log/b.log', 'all of it\n')
  assert.deepEqual((await read()).sort(), ['all of it', 'new'])
  await task.close()
})

test('a start before the first line goes on from the end that was there at the first start, and reads new files whole', async () => {
  const disk = new Disk()
  disk.files.makeDirectory('/log')
  disk.append('/log/a.log', 'old\n')
  const first = await openSource(disk, { ...config, 'read.from': 'end' })
  assert.deepEqual(await first.read(), [])
  await first.task.close()
  disk.append('/log/a.log', 'new\n')
  disk.append('/log/b.log', 'all of it\n')
  const second = await openSource(disk, { ...config, 'read.from': 'end' }, first.offsets)
  assert.deepEqual((await second.read()).sort(), ['all of it', 'new'])
  await second.task.close()
})

test('lines can belong together, and files can be records', async () => {
  const disk = new Disk()
  disk.files.makeDirectory('/log')
  disk.append('/log/a.log', '2026 error\n  at x\n  at y\n2026 fine\n')
  const lines = await openSource(disk, { ...config, 'multiline.begins': '^\\d{4}' })
  assert.deepEqual(await lines.read(2), ['2026 error\n  at x\n  at y'])
  assert.deepEqual(await lines.read(), ['2026 fine'])
  await lines.task.close()
  const whole = await openSource(disk, { ...config, 'read.mode': 'whole', 'value.format': 'bytes' })
  assert.deepEqual(await whole.read(), [Buffer.from('2026 error\n  at x\n  at y\n2026 fine\n')])
  await whole.task.close()
})

test('long lines are cut, and what is not complete waits', () => {
  const settings = { begins: null, mostBytes: 4 }
  const texts = (text: string, isEnd: boolean) =>
    eventsOf(Buffer.from(text), 100, isEnd, settings).map(event => [event.text.toString(), event.end])
  assert.deepEqual(texts('ab\ncd', false), [['ab', 103]])
  assert.deepEqual(texts('ab\ncd', true), [
    ['ab', 103],
    ['cd', 105],
  ])
  assert.deepEqual(texts('abcdefghij', false), [
    ['abcd', 104],
    ['efgh', 108],
  ])
  assert.deepEqual(texts('', true), [])
  assert.deepEqual(texts('\n\n', false), [
    ['', 101],
    ['', 102],
  ])
})

test('patterns of paths are those of a shell', () => {
  const memory = memoryFileSystem()
  for (const path of ['/a/x.log', '/a/b/y.log', '/a/b/.hidden.log', '/a/b/c/z1.log', '/a/b/c/z2.txt']) {
    memory.makeDirectory(path.slice(0, path.lastIndexOf('/')))
    memory.open(path, 'rw').close()
  }
  assert.deepEqual(glob(memory, '/a/*.log'), ['/a/x.log'])
  assert.deepEqual(glob(memory, '/a/**/*.log'), ['/a/b/c/z1.log', '/a/b/y.log', '/a/x.log'])
  assert.deepEqual(glob(memory, '/a/b/c/z[!1].*'), ['/a/b/c/z2.txt'])
  assert.deepEqual(glob(memory, '/none/*'), [])
  assert.ok(expressionOf('**/*.gz').test('/var/log/x.gz'))
})
