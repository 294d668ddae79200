/** The tree of commands: names, options and help. What a command does is in the module of its name. */
import { Command } from 'commander'

export async function run(argv: string[]): Promise<void> {
  const program = new Command('millrace').description('An event-streaming platform that speaks the Apache Kafka protocol')
  program
    .command('start')
    .description('run a broker')
    .option('--config <file>', 'millrace.yaml, or a server.properties of Kafka')
    .option('--set <key=value>', 'set one configuration key; may be repeated', collect, [])
    .option('--data <dir>', 'where the data lies (log.dirs)')
    .action(async options => {
      const { start } = await import('./start.ts')
      await start(options)
    })
  await program.parseAsync(argv)
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}
