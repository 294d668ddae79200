import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSecret } from '../base.ts'
import { connectors } from '../connectors.ts'

test('the names of all passwords of all connectors tell that they are some', async () => {
  let count = 0
  for (const listed of connectors)
    for (const [key, { type }] of Object.entries<{ type: string }>((await listed.load()).config))
      if (type === 'PASSWORD') {
        assert.ok(isSecret(key), `${listed.name}: ${key}`)
        count++
      }
  assert.ok(count > 20, `${count} passwords`)
  for (const key of ['connection.url', 'aws.access.key.id', 'access_id', 'http.authorization.type', 'ssl.keystore.location'])
    assert.ok(!isSecret(key), key)
})
