import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectors } from '../connectors.ts'
import { connectorsText } from './connectors.ts'

test('all connectors are listed', async () => {
  const text = await connectorsText(undefined, false)
  for (const { name } of connectors) assert.match(text, new RegExp(`^${name} +(?:sink|source) `, 'm'))
})

test('keys of one, by its name and by a Java class', async () => {
  const text = await connectorsText('s3', false)
  assert.match(text, /s3\.bucket\.name \(text; required\)\n {6}The bucket\./)
  // As a file for a worker it is complete.
  assert.match(text, /^ {2}name=my-s3\n {2}connector\.class=s3\n {2}topics=events\n {2}key\.converter=string\n/m)
  assert.match(text, /aws\.secret\.access\.key \(secret\)/)
  assert.equal(await connectorsText('io.confluent.connect.s3.S3SinkConnector', false), text)
  const { keys } = JSON.parse(await connectorsText('s3', true)) as { keys: { name: string; default: string | null }[] }
  assert.equal(keys.find(key => key.name === 's3.part.size')!.default, '26214400')
})

test('an unknown name is refused, with the nearest', async () => {
  await assert.rejects(
    connectorsText('elasticsaerch', false),
    /there is no connector elasticsaerch\. Did you mean elasticsearch\? There are elasticsearch, /,
  )
  await assert.rejects(connectorsText('nope', false), /there is no connector nope\. There are elasticsearch, /)
})
