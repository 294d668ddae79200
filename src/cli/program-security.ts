/** The part of the tree of commands about who comes in, what they may do, and how much; see `program.ts`. */
import { type Command, Option } from 'commander'
import { configOption, duration, repeated, wholeNumber, withClientOptions, wordList } from './options.ts'

export function addUser(program: Command): void {
  const user = program.command('user').description('list, create, alter and delete SCRAM users')
  withClientOptions(user.command('list [names...]').description('users, their mechanisms and iterations; never their secrets')).action(
    async (names, flags) => (await import('./user.ts')).listUsers(names, flags),
  )
  const password = 'the password is asked for, or the first line of standard input, or in MILLRACE_NEW_PASSWORD'
  withCredentialOptions(withClientOptions(user.command('create <name>').description(`create a user: ${password}`)))
    .option('--offline', 'write it into the data directory of a broker that does not run: how the first user is made')
    .addOption(configOption())
    .option('-d, --data <dir>', 'with --offline: where its data lies (log.dirs)')
    .action(async (name, flags) =>
      flags.offline ? (await import('./first-user.ts')).createFirstUser(name, flags) : (await import('./user.ts')).createUser(name, flags),
    )
  withCredentialOptions(withClientOptions(user.command('alter <name>').description(`change a password: ${password}`))).action(
    async (name, flags) => (await import('./user.ts')).alterUser(name, flags),
  )
  withClientOptions(user.command('delete <names...>').description('delete users; those who are logged in stay so until they connect again'))
    .addOption(new Option('--scram <hash>', 'only this credential (default: all)').choices(['SHA-256', 'SHA-512']))
    .action(async (names, flags) => (await import('./user.ts')).deleteUsers(names, flags))
}

function withCredentialOptions(command: Command): Command {
  return command
    .addOption(new Option('--scram <hash>', 'the mechanism, SCRAM-<hash>').choices(['SHA-256', 'SHA-512']).default('SHA-512'))
    .option('--iterations <count>', 'how slow guessing the password is made', wholeNumber(4_096, 16_384), 4_096)
}

export function addAcl(program: Command): void {
  const acl = program.command('acl').description('list, add and remove access control entries: who may do what on which resource')
  withAclOptions(withClientOptions(acl.command('list').description('ACLs that match all that is given')))
    .option('--matching', 'all patterns that are about the named resource: literal, prefixed and *')
    .action(async flags => (await import('./acl.ts')).listAcls(flags))
  withAclOptions(withClientOptions(acl.command('add').description('allow (or --deny) principals some operations')))
    .option('--idempotent', 'with --producer: IDEMPOTENT_WRITE on the cluster too, for brokers before 2.8')
    .option('--dry-run', 'only show what would be added')
    .addHelpText('after', aclExamples)
    .action(async flags => (await import('./acl.ts')).addAcls(flags))
  withAclOptions(withClientOptions(acl.command('remove').description('remove what matches, after showing it')))
    .option('--matching', 'all patterns that are about the named resource: literal, prefixed and *')
    .option('--dry-run', 'only show what would be removed')
    .option('-y, --yes', 'do not ask')
    .action(async flags => (await import('./acl.ts')).removeAcls(flags))
}

const aclExamples = `
Examples:
  millrace acl add --principal alice --producer --topic orders
  millrace acl add --principal bob --consumer --topic orders --group billing
  millrace acl add --principal bob --operation read,describe --topic logs- --prefixed
  millrace acl add --principal mallory --deny --operation all --topic orders
  millrace acl add --principal admin --operation all --cluster`

function withAclOptions(command: Command): Command {
  return command
    .option('--principal <name>', 'User:name, or just the name; User:* is everybody; may be repeated', repeated)
    .option('--operation <names>', 'separated by commas: all, read, write, create, delete, alter, describe, …', wordList)
    .option('--topic <name>', 'may be repeated; * is all topics', repeated)
    .option('--group <name>', 'may be repeated; * is all groups', repeated)
    .option('--transactional-id <id>', 'may be repeated', repeated)
    .option('--cluster', 'the cluster itself')
    .option('--delegation-token <id>', 'may be repeated', repeated)
    .option('--user-principal <name>', 'the user for whom tokens are made; may be repeated', repeated)
    .option('--prefixed', 'names are beginnings of names')
    .option('--producer', 'what a producer needs: write, describe and create on --topic (and --transactional-id)')
    .option('--consumer', 'what a consumer needs: read and describe on --topic, read on --group')
    .option('--host <address>', 'from where (default: anywhere); may be repeated', repeated)
    .option('--allow', 'the default of acl add')
    .option('--deny', 'forbid, whatever else allows it')
}

export function addQuota(program: Command): void {
  const quota = program.command('quota').description('list, set and remove quotas of users, client ids and addresses')
  withEntityOptions(withClientOptions(quota.command('list').description('quotas of what is given, or all'))).action(async flags =>
    (await import('./quota.ts')).listQuotas(flags),
  )
  withEntityOptions(withClientOptions(quota.command('set <pairs...>').description(`key=number: ${quotaKeys}`)))
    .option('--dry-run', 'only let the broker check it')
    .addHelpText('after', quotaExamples)
    .action(async (pairs, flags) => (await import('./quota.ts')).setQuota(pairs, flags))
  withEntityOptions(withClientOptions(quota.command('remove [keys...]').description('without keys: all of the entity')))
    .option('--dry-run', 'only let the broker check it')
    .action(async (keys, flags) => (await import('./quota.ts')).removeQuota(keys, flags))
}

const quotaKeys =
  'producer_byte_rate and consumer_byte_rate (bytes/s), request_percentage, controller_mutation_rate (partitions/s), connection_creation_rate (per s, of --ip)'
const quotaExamples = `
Examples:
  millrace quota set producer_byte_rate=1048576 --user alice
  millrace quota set consumer_byte_rate=2097152 --user alice --client-id reports
  millrace quota set request_percentage=50 --user-default
  millrace quota set connection_creation_rate=20 --ip 192.0.2.7`

function withEntityOptions(command: Command): Command {
  return command
    .option('--user <name>', 'a user; with --client-id: that client id of that user')
    .option('--user-default', 'all users that have no quota of their own')
    .option('--client-id <id>', 'a client id')
    .option('--client-id-default', 'all client ids that have no quota of their own')
    .option('--ip <address>', 'an address')
    .option('--ip-default', 'all addresses that have no quota of their own')
}

export function addToken(program: Command): void {
  const token = program.command('token').description('create, renew, expire and list delegation tokens: logins that end by themselves')
  withClientOptions(token.command('create').description('make a token; its secret is shown this once'))
    .option('--owner <name>', 'for this user instead of yourself')
    .option('--renewer <name>', 'who else may renew it; may be repeated', repeated)
    .option('--max-lifetime <duration>', 'until when it can be renewed: 12h, 7d (default: what the broker allows)', duration)
    .action(async flags => (await import('./token.ts')).createToken(flags))
  withClientOptions(token.command('renew <id>').description('let it live longer'))
    .option('--period <duration>', 'from now (default: what the broker allows)', duration)
    .action(async (id, flags) => (await import('./token.ts')).renewToken(id, flags))
  withClientOptions(token.command('expire <id>').description('end it'))
    .option('--period <duration>', 'from now (default: at once)', duration)
    .action(async (id, flags) => (await import('./token.ts')).expireToken(id, flags))
  withClientOptions(token.command('list').description('tokens that you may see'))
    .option('--owner <name>', 'only of these; may be repeated', repeated)
    .action(async flags => (await import('./token.ts')).listTokens(flags))
}
