import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem, realSystem } from '../../base.ts'
import { connectionsThatFit } from './descriptors.ts'

const fit = (limits: string | null) =>
  connectionsThatFit({ files: { ...memoryFileSystem(), readFile: () => (limits === null ? null : Buffer.from(limits)) } })
const limitsOf = (files: number | 'unlimited') =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             100                  100                  processes \nMax open files            ${files}                 1048576              files     \n`

test('connections leave room for the files of the log', () => {
  assert.equal(fit(limitsOf(1024)), 768)
  assert.equal(fit(limitsOf(150)), 75)
  assert.equal(fit(limitsOf(1_048_576)), 1_048_320)
  assert.equal(fit(limitsOf('unlimited')), Number.POSITIVE_INFINITY)
  assert.equal(fit(null), Number.POSITIVE_INFINITY)
  assert.ok(connectionsThatFit(realSystem()) > 0)
})
