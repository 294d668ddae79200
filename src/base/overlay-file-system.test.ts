import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileSystem } from './file-system.ts'
import { memoryFileSystem } from './memory-file-system.ts'
import { overlayFileSystem } from './overlay-file-system.ts'

/** A directory with a file of 10,000 bytes and a directory in it; and everything that it says of itself. */
function below(): { files: FileSystem; look(): unknown } {
  const files = memoryFileSystem()
  files.makeDirectory('/root/data/inner')
  const write = (path: string, content: Buffer) => {
    const file = files.open(path, 'rw')
    file.writeSync([content], 0)
    file.close()
  }
  write('/root/data/long', Buffer.alloc(10_000, 'long '))
  write('/root/data/inner/short', Buffer.from('short'))
  write('/root/outside', Buffer.from('outside'))
  const look = () =>
    ['/root', '/root/data', '/root/data/inner'].map(path =>
      files.list(path).map(({ name, kind }) => [name, kind, kind === 'file' && files.readFile(`${path}/${name}`)]),
    )
  return { files, look }
}

test('what is written shows, and the directory below stays as it is', async () => {
  const { files, look } = below()
  const before = look()
  const overlay = overlayFileSystem(files, '/root/data')
  const file = overlay.open('/root/data/long', 'r+')
  file.writeSync([Buffer.from('new'), Buffer.from('er')], 4_094)
  assert.equal(file.size(), 10_000)
  const wanted = Buffer.alloc(10_000, 'long ')
  wanted.write('newer', 4_094)
  const read = Buffer.alloc(20)
  assert.equal(file.readSync(read, 4_085), 20)
  assert.deepEqual(read, wanted.subarray(4_085, 4_105))
  assert.equal(await file.read(read, 9_990), 10)
  assert.deepEqual(overlay.readFile('/root/data/long'), wanted)
  file.close()
  await overlay.replaceFile('/root/data/inner/short', Buffer.from('replaced'))
  overlay.makeDirectory('/root/data/more/deep')
  overlay.open('/root/data/more/deep/made', 'rw').close()
  overlay.rename('/root/data/inner', '/root/data/moved')
  assert.equal(String(overlay.readFile('/root/data/moved/short')), 'replaced')
  assert.deepEqual(
    overlay.list('/root/data').map(({ name }) => name),
    ['long', 'more', 'moved'],
  )
  await overlay.removeDirectory('/root/data/moved')
  overlay.remove('/root/data/long')
  assert.deepEqual(
    [overlay.exists('/root/data/long'), overlay.readFile('/root/data/long'), overlay.stat('/root/data/long')],
    [false, null, null],
  )
  assert.deepEqual(look(), before)
})

test('what was cut off does not come back when the file grows again', () => {
  const { files } = below()
  const overlay = overlayFileSystem(files, '/root/data')
  const file = overlay.open('/root/data/long', 'r+')
  file.writeSync([Buffer.from('xxxx')], 98)
  file.truncate(100)
  file.truncate(200)
  const read = Buffer.alloc(300, 1)
  assert.equal(file.readSync(read, 96), 104)
  assert.deepEqual(
    read.subarray(0, 104),
    Buffer.concat([Buffer.alloc(10_000, 'long ').subarray(96, 98), Buffer.from('xx'), Buffer.alloc(100)]),
  )
  file.writeSync([Buffer.from('end')], 5_000)
  assert.equal(file.size(), 5_003)
  assert.deepEqual([overlay.readFile('/root/data/long')!.length, overlay.stat('/root/data/long')?.size], [5_003, 5_003])
  assert.equal(
    overlay
      .readFile('/root/data/long')!
      .subarray(200, 5_000)
      .every(byte => byte === 0),
    true,
  )
})

test('outside of the directory nothing can be written; what is missing is an error as on a disk', async () => {
  const { files } = below()
  const overlay = overlayFileSystem(files, '/root/data')
  assert.equal(String(overlay.readFile('/root/outside')), 'outside')
  assert.throws(() => overlay.open('/root/outside', 'r+'), { code: 'EROFS' })
  assert.throws(() => overlay.makeDirectory('/root/new'), { code: 'EROFS' })
  await assert.rejects(overlay.replaceFile('/root/outside', Buffer.from('x')), { code: 'EROFS' })
  assert.throws(() => overlay.open('/root/data/none', 'r'), { code: 'ENOENT' })
  assert.throws(() => overlay.remove('/root/data/none'), { code: 'ENOENT' })
  assert.throws(() => overlay.list('/root/data/none'), { code: 'ENOENT' })
  assert.throws(() => overlay.open('/root/data/inner', 'r'), { code: 'EISDIR' })
  assert.throws(() => overlay.open('/root/data/none/file', 'rw'), { code: 'ENOENT' })
  await overlay.removeFile('/root/data/none')
})

test('its lock is one for reading, of the directory below', () => {
  const { files } = below()
  const overlay = overlayFileSystem(files, '/root/data')
  const lock = overlay.lock('/root/data')
  assert.throws(() => files.lock('/root/data'), { code: 'EBUSY' })
  lock.release()
  files.lock('/root/data').release()
})
