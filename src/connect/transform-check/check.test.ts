import assert from 'node:assert/strict'
import { test } from 'node:test'
import { realSystem } from '../../base.ts'
import { checkTransforms } from './host.ts'

const script = (code: string) =>
  new Map(Object.entries({ transforms: 'a', 'transforms.a.type': 'millrace.transforms.JavaScript', 'transforms.a.code': code }))

test('the script of a transform is not run by the thread of the API', async () => {
  const before = process.threadCpuUsage()
  const code = 'for (let each = 0; each < 2e7; each++); function transform() { return null }'
  const problems = await checkTransforms(script(code), realSystem())
  const { user, system } = process.threadCpuUsage(before)
  assert.deepEqual([...problems], [])
  // Itself it takes more than half a second.
  assert.ok(user + system < 200_000, `${(user + system) / 1_000} ms`)
  const [key] = [...(await checkTransforms(script('no script'), realSystem())).keys()]
  assert.equal(key, 'transforms.a.code')
})

test('what is short is checked at once', async () => {
  const config = new Map(Object.entries({ transforms: 'a', 'transforms.a.type': 'Cast$Value', 'transforms.a.spec': 'a:int99', other: 'x' }))
  assert.deepEqual([...(await checkTransforms(config, realSystem())).keys()], ['transforms.a.spec'])
})
