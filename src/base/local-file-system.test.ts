import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { localFileSystem } from './local-file-system.ts'

test('when a file was last written to', () => {
  const directory = mkdtempSync(`${tmpdir()}/millrace-files-`)
  try {
    writeFileSync(`${directory}/old`, '')
    utimesSync(`${directory}/old`, 0, 1_000_000)
    const files = localFileSystem()
    assert.equal(files.stat(`${directory}/old`)?.modifiedMs, 1_000_000_000)
    assert.equal(files.stat(`${directory}/missing`), null)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a missing directory is not a failed sync', async () => {
  const files = localFileSystem()
  const error = { operation: 'open', code: 'ENOENT', isFailedSync: false }
  await assert.rejects(files.syncDirectory('/nowhere/at/all'), error)
  assert.throws(() => files.syncDirectorySync('/nowhere/at/all'), error)
  await files.syncDirectory(tmpdir())
  files.syncDirectorySync(tmpdir())
})

test('links are treated as their targets, and removed with them', async () => {
  const directory = mkdtempSync(`${tmpdir()}/millrace-files-`)
  try {
    mkdirSync(`${directory}/elsewhere/inside`, { recursive: true })
    writeFileSync(`${directory}/elsewhere/inside/data`, 'x')
    writeFileSync(`${directory}/elsewhere/file`, 'x')
    mkdirSync(`${directory}/here`)
    for (const name of ['inside', 'file', 'missing']) symlinkSync(`${directory}/elsewhere/${name}`, `${directory}/here/${name}`)
    const files = localFileSystem()
    assert.deepEqual(files.list(`${directory}/here`), [
      { name: 'file', kind: 'file' },
      { name: 'inside', kind: 'directory' },
      { name: 'missing', kind: 'directory' },
    ])
    await files.removeDirectory(`${directory}/here/inside`)
    assert.deepEqual(readdirSync(`${directory}/here`), ['file', 'missing'])
    assert.equal(existsSync(`${directory}/elsewhere/inside/data`), false)
    await files.removeDirectory(`${directory}/here`)
    assert.deepEqual([existsSync(`${directory}/here`), existsSync(`${directory}/elsewhere/file`)], [false, true])
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('directories are created with their parents; if that is impossible, it is an error and not an endless loop', t => {
  const root = mkdtempSync(`${tmpdir()}/millrace-mkdir-`)
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const { makeDirectory } = localFileSystem()
  makeDirectory(`${root}/a/b/c`)
  makeDirectory(`${root}/a/b/c`)
  assert.ok(statSync(`${root}/a/b/c`).isDirectory())
  symlinkSync(`${root}/a`, `${root}/link`)
  makeDirectory(`${root}/link`)
  symlinkSync(`${root}/nowhere`, `${root}/dangling`)
  assert.throws(() => makeDirectory(`${root}/dangling`), { name: 'DiskError', code: 'ENOENT' })
  writeFileSync(`${root}/file`, '')
  assert.throws(() => makeDirectory(`${root}/file`), { name: 'DiskError', code: 'EEXIST' })
  assert.throws(() => makeDirectory(`${root}/file/x`), { name: 'DiskError', code: 'ENOTDIR' })
  if (process.platform === 'linux') assert.throws(() => makeDirectory('/proc/millrace/x'), { name: 'DiskError', code: 'ENOENT' })
})
