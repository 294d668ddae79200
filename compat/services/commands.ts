/** Every command of the command line that works over Kafka's protocol, once, against a real Apache Kafka. */
import assert from 'node:assert/strict'
import { openClient } from '../../src/client.ts'
import { type Cases, unique } from '../support/kit.ts'
import { millrace } from './ask.ts'

export function everyCommand(bootstrap: string): Cases {
  const run = (text: string, options: Parameters<typeof millrace>[1] = {}) => millrace([...text.split(' '), '-b', bootstrap], options)
  return {
    async 'cli/topics'() {
      const topic = unique('cli')
      await run(`topic create ${topic} -p 2 --set retention.ms=3600000`)
      assert.match(await run('topic list --size'), new RegExp(topic))
      assert.match(await run(`topic describe ${topic}`), /retention\.ms/)
      await run(`topic alter ${topic} -p 3 --set retention.ms=7200000`)
      assert.match(await run(`config get topic ${topic} retention.ms`), /7200000/)
      await run(`config set topic ${topic} retention.ms=3600000`)
      const broker = await anyBroker(bootstrap)
      assert.match(await run(`config get broker ${broker} num.partitions`), /num\.partitions/)
      assert.match(await run(`perf produce ${topic} -n 5000 --size 100`), /5,?000 records/)
      assert.match(await run(`perf consume ${topic} -n 5000`), /5,?000 records/)
      assert.match(await run('top --samples 1 --interval 1s'), /\d+ topics?/)
      await run(`topic empty ${topic}`)
      await run(`topic delete ${topic}`)
    },
    async 'cli/groups'() {
      const [topic, group] = [unique('cli'), unique('group')]
      await run(`topic create ${topic} -p 1`)
      await run(`produce ${topic}`, { stdin: '1\n2\n3\n' })
      assert.equal((await run(`consume ${topic} -f beginning -g ${group} -n 2 --timeout 30000`)).trim(), '1\n2')
      assert.match(await run(`group describe ${group}`), new RegExp(topic))
      assert.match(await run(`group lag ${group}`), /\b1\b/)
      await run(`group reset ${group} --topic ${topic} --to beginning`)
      assert.equal((await run(`consume ${topic} -g ${group} -f beginning -n 3 --timeout 30000`)).trim(), '1\n2\n3')
      // Before 4.0 Kafka deletes a group with its last offset.
      await run(`topic create ${topic}-other -p 1`)
      await run(`group reset ${group} --topic ${topic}-other --to beginning`)
      await run(`group delete-offsets ${group} --topic ${topic}`)
      await run(`group delete ${group}`)
    },
    async 'cli/cluster-wide'() {
      assert.match(await run('feature list'), /metadata\.version/)
      const user = unique('user')
      await run(`user create ${user}`, { env: { MILLRACE_NEW_PASSWORD: 'first' } })
      await run(`user alter ${user}`, { env: { MILLRACE_NEW_PASSWORD: 'second' } })
      assert.match(await run('user list'), new RegExp(user))
      await run(`quota set --user ${user} producer_byte_rate=100000`)
      assert.match(await run('quota list'), /producer_byte_rate/)
      await run(`quota remove --user ${user}`)
      await run(`user delete ${user}`)
      const subscription = unique('metrics')
      await run(`client-metrics set ${subscription} --metrics org.apache.kafka.producer. --interval 30s`)
      assert.match(await run('client-metrics list'), new RegExp(subscription))
      await run(`client-metrics describe ${subscription}`)
      await run(`client-metrics delete ${subscription}`)
      await run('txn list')
    },
  }
}

async function anyBroker(bootstrap: string): Promise<number> {
  await using client = openClient({ bootstrap })
  return (await client.cluster()).brokers[0]!.id
}
