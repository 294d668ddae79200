import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type BulkWriteResult, MongoBulkWriteError, MongoNetworkError, MongoServerError } from 'mongodb'
import { RetriableError } from '../../connector.ts'
import { sortedError } from './mongodb.ts'

test('a connection that ends in the middle of a bulk write passes; missing rights do not', () => {
  const broken = new MongoBulkWriteError(new MongoNetworkError('connection 1 closed'), {} as BulkWriteResult)
  assert.ok(sortedError(broken) instanceof RetriableError)
  const full = new MongoServerError({ code: 14_031, errmsg: 'out of disk space' })
  assert.ok(sortedError(full) instanceof RetriableError)
  const refused = new MongoBulkWriteError(new MongoServerError({ code: 13, errmsg: 'not authorized' }), {} as BulkWriteResult)
  assert.ok(!(sortedError(refused) instanceof RetriableError))
})
