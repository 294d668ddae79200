import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apis } from '../src/protocol.ts'
import { attack } from './support/attack.ts'
import { connect } from './support/client.ts'

test('telemetry is offered to clients as long as a subscription exists', () =>
  attack({}, async ({ port }) => {
    const client = await connect(port)
    const offered = async () => {
      const { apiKeys } = await client.request(apis.apiVersions, 3, { clientSoftwareName: 'test', clientSoftwareVersion: '1' })
      return [apis.getTelemetrySubscriptions.key, apis.pushTelemetry.key].map(key => apiKeys.some(({ apiKey }) => apiKey === key))
    }
    const subscribe = async (configOperation: number) => {
      const configs = [{ name: 'metrics', configOperation, value: configOperation === 0 ? 'org.apache.kafka.' : null }]
      const resources = [{ resourceType: 16, resourceName: 'all', configs }]
      const { responses } = await client.request(apis.incrementalAlterConfigs, 1, { resources, validateOnly: false })
      assert.equal(responses[0]!.errorCode, 0)
    }
    assert.deepEqual(await offered(), [false, false])
    await subscribe(0)
    assert.deepEqual(await offered(), [true, true])
    await subscribe(1)
    assert.deepEqual(await offered(), [false, false])
    client.close()
  }))
