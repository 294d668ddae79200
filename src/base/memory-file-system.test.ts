import assert from 'node:assert/strict'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DiskError, type FileSystem } from './file-system.ts'
import { localFileSystem } from './local-file-system.ts'
import { memoryFileSystem } from './memory-file-system.ts'

const code = (expected: string) => (error: unknown) => error instanceof DiskError && error.code === expected

function readAll(files: FileSystem, path: string): string {
  return String(files.readFile(path))
}

/** One contract for memory and disk, so that what passes in memory means something. */
const homes: Record<string, () => { files: FileSystem; root: string; done(): void }> = {
  memory: () => {
    const files = memoryFileSystem()
    files.makeDirectory('/data')
    return { files, root: '/data', done: () => {} }
  },
  disk: () => {
    const root = fs.mkdtempSync(join(tmpdir(), 'millrace-files-'))
    return { files: localFileSystem(), root, done: () => fs.rmSync(root, { recursive: true }) }
  },
}

for (const [home, make] of Object.entries(homes)) {
  test(`${home}: positioned writes, holes, short reads`, async t => {
    const { files, root, done } = make()
    t.after(done)
    const file = files.open(`${root}/a.log`, 'rw')
    file.writeSync([Buffer.from('hello '), Buffer.from('world')], 3)
    await file.write([Buffer.from('end')], 200_000)
    assert.equal(file.size(), 200_003)
    const head = Buffer.alloc(16, 255)
    assert.equal(file.readSync(head, 0), 16)
    assert.equal(head.toString('latin1'), '\0\0\0hello world\0\0')
    const tail = Buffer.alloc(10, 255)
    assert.equal(await file.read(tail, 199_998), 5)
    assert.equal(tail.subarray(0, 5).toString('latin1'), '\0\0end')
    assert.equal(file.readSync(tail, 300_000), 0)
    await file.datasync()
    file.datasyncSync()
    file.close()
    assert.throws(() => files.open(`${root}/a.log`, 'r').writeSync([Buffer.from('x')], 0), code('EBADF'))
  })

  test(`${home}: what truncation cut off reads as zero when the file grows again`, t => {
    const { files, root, done } = make()
    t.after(done)
    const file = files.open(`${root}/a.log`, 'rw')
    file.writeSync([Buffer.alloc(150_000, 7)], 0)
    file.truncate(70_000)
    assert.equal(file.size(), 70_000)
    file.truncate(140_000)
    const all = Buffer.alloc(140_000)
    assert.equal(file.readSync(all, 0), 140_000)
    assert.equal(
      all.findIndex(byte => byte !== 7),
      70_000,
    )
    assert.ok(all.subarray(70_000).every(byte => byte === 0))
    file.truncate(0)
    file.writeSync([Buffer.from('short')], 0)
    file.truncate(9_000)
    file.truncate(5_000)
    assert.equal(file.size(), 5_000)
    file.close()
  })

  test(`${home}: a handle survives the rename and the removal of its name`, t => {
    const { files, root, done } = make()
    t.after(done)
    const file = files.open(`${root}/a`, 'rw')
    file.writeSync([Buffer.from('one')], 0)
    files.rename(`${root}/a`, `${root}/b`)
    assert.equal(files.exists(`${root}/a`), false)
    file.writeSync([Buffer.from('two')], 3)
    assert.equal(readAll(files, `${root}/b`), 'onetwo')
    const other = files.open(`${root}/c`, 'rw')
    other.writeSync([Buffer.from('other')], 0)
    files.rename(`${root}/c`, `${root}/b`)
    assert.equal(readAll(files, `${root}/b`), 'other')
    files.remove(`${root}/b`)
    const content = Buffer.alloc(6)
    assert.equal(file.readSync(content, 0), 6)
    assert.equal(content.toString(), 'onetwo')
    assert.deepEqual(files.list(root), [])
    file.close()
    other.close()
  })

  test(`${home}: directories and whole files`, async t => {
    const { files, root, done } = make()
    t.after(done)
    files.makeDirectory(`${root}/x/y`)
    files.makeDirectory(`${root}/x/y`)
    await files.replaceFile(`${root}/x/two`, Buffer.from('2'))
    await files.replaceFile(`${root}/x/two`, Buffer.from('22'))
    assert.equal(readAll(files, `${root}/x/two`), '22')
    assert.equal(files.readFile(`${root}/x/none`), null)
    await files.syncDirectory(`${root}/x`)
    files.syncDirectorySync(`${root}/x`)
    assert.deepEqual(files.list(`${root}/x`), [
      { name: 'two', kind: 'file' },
      { name: 'y', kind: 'directory' },
    ])
    files.rename(`${root}/x`, `${root}/z`)
    assert.equal(files.exists(`${root}/z/y`), true)
    await files.removeDirectory(`${root}/z`)
    await files.removeDirectory(`${root}/z`)
    assert.equal(files.exists(`${root}/z`), false)
  })

  test(`${home}: r+ makes no file; a large one is removed, and its other name keeps it whole`, async t => {
    const { files, root, done } = make()
    t.after(done)
    assert.throws(() => files.open(`${root}/a`, 'r+'), code('ENOENT'))
    const file = files.open(`${root}/a`, 'rw')
    file.writeSync([Buffer.from('end')], 100 << 20)
    file.close()
    files.open(`${root}/a`, 'r+').writeSync([Buffer.from('begin')], 0)
    if (home === 'disk') fs.linkSync(`${root}/a`, `${root}/backup`)
    await files.removeFile(`${root}/a`)
    await files.removeFile(`${root}/a`)
    assert.equal(files.exists(`${root}/a`), false)
    if (home === 'disk') assert.equal(fs.statSync(`${root}/backup`).size, (100 << 20) + 3)
  })

  test(`${home}: errors carry the system's code`, async t => {
    const { files, root, done } = make()
    t.after(done)
    files.makeDirectory(`${root}/d`)
    assert.throws(() => files.open(`${root}/none`, 'r'), code('ENOENT'))
    assert.throws(() => files.open(`${root}/no/file`, 'rw'), code('ENOENT'))
    assert.throws(() => files.open(`${root}/d`, 'rw'), code('EISDIR'))
    assert.throws(() => files.list(`${root}/none`), code('ENOENT'))
    assert.throws(() => files.remove(`${root}/none`), code('ENOENT'))
    assert.throws(() => files.rename(`${root}/none`, `${root}/b`), code('ENOENT'))
    const long = `${root}/${'x'.repeat(256)}`
    for (const act of [() => files.open(long, 'rw'), () => files.makeDirectory(long), () => files.rename(`${root}/d`, long)])
      assert.throws(act, code('ENAMETOOLONG'))
    assert.throws(() => files.exists(long), code('ENAMETOOLONG'))
    await assert.rejects(files.syncDirectory(`${root}/none`), code('ENOENT'))
    assert.ok(files.freeBytes(root) > 0)
  })
}

test('a second holder of a directory is refused until the first lets go', () => {
  const files = memoryFileSystem()
  files.makeDirectory('/data')
  const held = files.lock('/data')
  assert.throws(() => files.lock('/data/'), code('EBUSY'))
  held.release()
  files.lock('/data').release()
})

test('a full volume takes what fits, says ENOSPC, and has room again after a removal', () => {
  const files = memoryFileSystem({ capacityBytes: 128 * 1024 })
  const file = files.open('/a', 'rw')
  assert.throws(() => file.writeSync([Buffer.alloc(200 * 1024, 1)], 0), code('ENOSPC'))
  assert.equal(file.size(), 128 * 1024)
  assert.equal(files.freeBytes('/'), 0)
  files.remove('/a')
  assert.equal(files.freeBytes('/'), 0, 'the open handle still holds the bytes')
  file.close()
  assert.equal(files.freeBytes('/'), 128 * 1024)
})

test('holes and tiny files cost next to nothing', () => {
  const files = memoryFileSystem({ capacityBytes: 10 * 1024 * 1024 })
  const sparse = files.open('/journal', 'rw')
  sparse.truncate(2 ** 40)
  for (let index = 0; index < 1000; index++) files.open(`/${index}.index`, 'rw').writeSync([Buffer.alloc(100)], 0)
  assert.ok(files.freeBytes('/') > 8 * 1024 * 1024)
})
