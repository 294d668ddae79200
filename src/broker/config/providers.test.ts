import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFileSystem } from '../../base.ts'
import { ConfigProblems, loadBrokerConfig } from './load.ts'

test("values may point to what Kafka's own providers know", async () => {
  const files = memoryFileSystem()
  files.makeDirectory('/etc')
  files.makeDirectory('/run')
  await files.replaceFile('/run/rack.id', Buffer.from('west\n'))
  await files.replaceFile('/etc/secrets.properties', Buffer.from('partitions=7\n'))
  const kafkas = 'org.apache.kafka.common.config.provider'
  const providers = `config.providers=env,file,dir,vault
config.providers.env.class=${kafkas}.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern=NODE.*
config.providers.file.class=${kafkas}.FileConfigProvider
config.providers.file.param.allowed.paths=/etc
config.providers.dir.class=${kafkas}.DirectoryConfigProvider
config.providers.vault.class=com.example.VaultConfigProvider
`
  const load = async (lines: string) => {
    await files.replaceFile('/etc/a.properties', Buffer.from(providers + lines))
    return { file: '/etc/a.properties', files, environment: { NODE_ID: '4', SECRET: 'x' } }
  }
  const lines = `node.id=\${env:NODE_ID}
num.partitions=\${file:/etc/secrets.properties:partitions}
broker.rack=\${dir:/run:rack.id}
super.users=User:\${nobody:x}
rlmm.config.password=\${vault:a:b}`
  const config = loadBrokerConfig(await load(lines))
  assert.deepEqual([config.get('node.id'), config.get('num.partitions'), config.get('broker.rack')], [4, 7, 'west'])
  assert.equal(config.get('super.users'), `User:\${nobody:x}`)
  const bad: [string, RegExp][] = [
    [`\${env:SECRET}`, /broker\.rack: \$\{env:SECRET\} cannot be resolved: the value does not exist \[.*a\.properties:8\]/],
    [`\${env:NODE_OTHER}`, /the value does not exist/],
    [`\${file:/run/../run/rack.id:west}`, /the value does not exist/],
    [`\${dir:/run:../etc/secrets.properties}`, /the value does not exist/],
    [`\${vault:a:b}`, /com\.example\.VaultConfigProvider is not supported/],
  ]
  for (const [value, message] of bad) {
    const inputs = await load(`broker.rack=${value}`)
    assert.throws(
      () => loadBrokerConfig(inputs),
      (error: unknown) => error instanceof ConfigProblems && message.test(error.message),
      value,
    )
  }
})
