import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FileSystem, memoryFileSystem } from '../../base.ts'
import { FileHandles } from './file-handles.ts'
import { IndexMemory } from './index-file.ts'
import { OffsetIndex } from './offset-index.ts'

/** Counts what is open. */
function counting(): { files: FileSystem; open: Set<string> } {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  const open = new Set<string>()
  const opened: FileSystem['open'] = (path, mode) => {
    const handle = files.open(path, mode)
    assert.ok(!open.has(path), `${path} opened twice`)
    open.add(path)
    const close = handle.close.bind(handle)
    return Object.assign(handle, {
      close: () => {
        open.delete(path)
        close()
      },
    })
  }
  return { files: { ...files, open: opened }, open }
}

test('the file not used for longest is closed first', () => {
  const { files, open } = counting()
  const handles = new FileHandles(files, 2)
  handles.get('/d/a')
  handles.get('/d/b')
  handles.get('/d/a')
  handles.get('/d/c')
  assert.deepEqual([...open].sort(), ['/d/a', '/d/c'])
  handles.closeAll()
  assert.equal(open.size, 0)
})

test('files that are all used, or all busy, do not keep others from being opened', async () => {
  const { files, open } = counting()
  const handles = new FileHandles(files, 2)
  for (const path of ['/d/a', '/d/b', '/d/b', '/d/a', '/d/c']) handles.get(path)
  assert.deepEqual([...open].sort(), ['/d/b', '/d/c'])
  let finish = () => {}
  const busy = new Promise<void>(resolve => (finish = resolve))
  const running = ['/d/b', '/d/c'].map(path => handles.with(path, () => busy))
  handles.get('/d/d')
  assert.deepEqual([...open].sort(), ['/d/b', '/d/c', '/d/d'])
  finish()
  await Promise.all(running)
  handles.get('/d/e')
  assert.equal(open.size, 2)
})

test('a file with an operation on it stays open, even when forgotten or above the bound', async () => {
  const { files, open } = counting()
  const handles = new FileHandles(files, 1)
  let finish = () => {}
  const running = handles.with('/d/a', () => new Promise<void>(resolve => (finish = resolve)))
  handles.get('/d/b')
  assert.deepEqual([...open].sort(), ['/d/a', '/d/b'])
  handles.forget('/d/a')
  assert.ok(open.has('/d/a'))
  finish()
  await running
  assert.deepEqual([...open], ['/d/b'])
  await assert.rejects(
    handles.with('/d/c', async () => Promise.reject(new Error('EIO'))),
    /EIO/,
  )
  handles.get('/d/b')
  assert.deepEqual([...open], ['/d/b'])
})

test('indexes leave memory when all together are too large, but for entries not written yet', () => {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  const handles = new FileHandles(files, 10)
  const memory = new IndexMemory(3000)
  const indexes = Array.from({ length: 5 }, (_, nth) => new OffsetIndex(`/d/${nth}.index`, 0, true, handles, memory))
  for (const index of indexes) for (let entry = 1; entry <= 100; entry++) index.append(entry * 10, entry * 100)
  for (const index of indexes.slice(0, 4)) index.file.flush()
  for (let round = 0; round < 3; round++)
    for (const index of indexes) {
      assert.equal(index.lookup(555), 5500)
      assert.ok(memory.bytes <= 3000 + 1024, `${memory.bytes} bytes`)
    }
  const unwritten = indexes[4]!
  unwritten.file.unload()
  unwritten.append(2000, 20_000)
  unwritten.file.flush()
  unwritten.file.unload()
  assert.deepEqual([unwritten.lookup(999), unwritten.lookup(1999), unwritten.lookup(2000)], [9900, 10_000, 20_000])
  assert.equal(files.readFile('/d/4.index')!.length, 808)
})
