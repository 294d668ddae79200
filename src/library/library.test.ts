import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Admin, Producer } from '../library.ts'

test('validators of the library work when somebody asks for them, and those of others are as they were', () => {
  const options = { clientId: 'with space', bootstrapBrokers: ['127.0.0.1:1'], strict: true }
  assert.throws(() => new Admin(options), /\/options\/clientId must match pattern/)
  assert.throws(() => new Producer({ ...options, clientId: 'a', timeout: -1 }), /\/options\/timeout must be >= 0/)
  assert.ok(new Admin({ ...options, clientId: 'a' }))
  const validate = new Ajv2020().compile({ type: 'integer' })
  assert.deepEqual([validate(1), validate('1')], [true, false])
  assert.ok(validate.schema, 'a compiled one')
  assert.equal(Object.hasOwn(Ajv2020.prototype, 'compile'), false)
})
