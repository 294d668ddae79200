/** The commands about connectors: names, options and help. */
import { type Command, Option } from 'commander'
import { keyValue, wholeNumber, withClientOptions } from './options.ts'

export function addConnect(program: Command): void {
  const connect = program
    .command('connect')
    .description(
      'run one worker of Kafka Connect from its own worker.properties; with files of connectors, alone, else as a member of its group',
    )
    .argument('[connectors...]', 'files of connectors (properties or JSON)')
    .option(
      '-c, --config <file>',
      "Kafka Connect's worker.properties: bootstrap.servers, group.id, listeners, plugin.path, …; or MirrorMaker's mm2.properties",
    )
    .option('-s, --set <key=value>', 'set one of its keys; repeatable', keyValue)
    .addOption(new Option('--log-level <level>', 'lowest level to log (default: info)').choices(['debug', 'info', 'warn', 'error']))
    .action(async (files, flags) => (await import('./connect-worker.ts')).connectWorker(files, flags))
  addConnectTry(connect)
}

function addConnectTry(connect: Command): void {
  withClientOptions(
    connect
      .command('try <file>')
      .description('print what a connector would write of sample records, after converters and transforms; writes nothing'),
  )
    .option('-t, --topic <topic>', 'take records from this topic (default: the first of the key `topics`)')
    .addOption(new Option('-f, --from <position>', 'beginning, end, an offset, -N (the last N), a time, or how long ago').default('-10'))
    .addOption(new Option('-n, --limit <count>', 'at most so many records').argParser(wholeNumber(1)).default(10))
    .option('--records <file>', 'take records from this file instead: one per line, as consume --json prints them, or a value in JSON')
    .option(
      '--worker <file>',
      "the worker's properties, whose converters count where the connector names none (default: JSON without schema)",
    )
    .option('--schemas', 'show the schemas of keys and values as well')
    .addHelpText(
      'after',
      `
FILE has the configuration of the connector, as properties or as JSON. With \`topics\` it is a sink: records are read from Kafka's bytes and printed as its
target would get them. Without, it is a source: keys and values of the sample are JSON, and printed are the bytes that Kafka would get.

Examples:
  millrace connect try orders-sink.properties
  millrace connect try orders-sink.json --records sample.ndjson --schemas`,
    )
    .action(async (file, flags) => (await import('./connect-try.ts')).tryConnector(file, flags))
}
