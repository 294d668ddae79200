import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
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
