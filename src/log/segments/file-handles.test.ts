import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskError, type FileSystem, memoryFileSystem } from '../../base.ts'
import { FileHandles } from './file-handles.ts'
import { IndexMemory } from './index-file.ts'
import { OffsetIndex } from './offset-index.ts'

/** Counts what is open. */
function counting(): { files: FileSystem; open: Set<string> } {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  for (const name of 'abcde') files.open(`/d/${name}`, 'rw').close()
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
  for (const path of ['/d/a', '/d/b', '/d/a', '/d/c']) handles.get(path)
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

test('indexes leave memory when all together are too large, but for entries not written yet', async () => {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  const handles = new FileHandles(files, 10)
  const memory = new IndexMemory(3 * 4096)
  const indexes = Array.from({ length: 5 }, (_, nth) => new OffsetIndex(`/d/${nth}.index`, 0, true, handles, memory))
  for (const index of indexes) for (let entry = 1; entry <= 1000; entry++) index.append(entry * 10, entry * 100)
  for (const index of indexes.slice(0, 4)) index.file.flush()
  for (let round = 0; round < 3; round++)
    for (const index of indexes) {
      for (const offset of [9, 10, 5555, 9999, 10_000, 99_999])
        assert.equal(await index.lookup(offset), Math.min(Math.floor(offset / 10) * 100, 100_000))
      assert.ok(memory.bytes <= 3 * 4096, `${memory.bytes} bytes`)
    }
  const unwritten = indexes[4]!
  unwritten.file.unload()
  unwritten.append(20_000, 200_000)
  unwritten.file.flush()
  unwritten.file.unload()
  const found = await Promise.all([9999, 19_999, 20_000].map(offset => unwritten.lookup(offset)))
  assert.deepEqual(found, [99_900, 100_000, 200_000])
  assert.equal(files.readFile('/d/4.index')!.length, 8008)
})

test('a use makes no file, and a new file has nothing of an earlier one', () => {
  const files = memoryFileSystem()
  files.makeDirectory('/d')
  const handles = new FileHandles(files, 10)
  assert.throws(() => handles.get('/d/a'), { code: 'ENOENT' })
  assert.equal(files.exists('/d/a'), false)
  handles.create('/d/a').writeSync([Buffer.from('old')], 0)
  handles.forget('/d/a')
  assert.equal(handles.get('/d/a').size(), 3)
  assert.equal(handles.create('/d/a').size(), 0)
})

test('when the process may open no more files, others of ours make room', () => {
  const disk = memoryFileSystem()
  disk.makeDirectory('/d')
  let open = 0
  const files: FileSystem = {
    ...disk,
    open(path, mode) {
      if (open >= 4) throw new DiskError('open', path, 'EMFILE')
      open++
      const handle = disk.open(path, mode)
      const close = handle.close.bind(handle)
      return Object.assign(handle, {
        close: () => {
          open--
          close()
          throw new DiskError('close', path, 'EIO')
        },
      })
    },
  }
  const handles = new FileHandles(files, 100)
  for (let nth = 0; nth < 20; nth++) assert.equal(handles.create(`/d/${nth}`).size(), 0)
  handles.closeAll()
  assert.equal(open, 0)
})
