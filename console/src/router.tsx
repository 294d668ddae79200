/** The places: each view is a URL, with its filters and its order as query parameters. Views are loaded when they are first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { Shell } from './shell/shell.tsx'
import { Failed, NoSuchPlace } from './ui/states.tsx'

type Search = Record<string, unknown>

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
// From a URL it is text.
const yes = (value: unknown) => (value === true || value === 'true' ? true : undefined)
const whole = (value: unknown) => (/^\d{1,9}$/.test(String(value)) ? Number(value) : undefined)
/** Without parameters that are not set, which would be written into the URL. */
function set<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never
}

const root = createRootRoute({ component: Shell, notFoundComponent: NoSuchPlace })

const overview = createRoute({
  getParentRoute: () => root,
  path: '/',
  component: lazyRouteComponent(() => import('./views/overview.tsx'), 'Overview'),
})

export const topicSorts = ['name', 'partitions', 'replicas', 'bytes'] as const
export type TopicSort = (typeof topicSorts)[number]

const topics = createRoute({
  getParentRoute: () => root,
  path: '/topics',
  validateSearch: (search: Search) =>
    set({
      search: text(search['search']),
      internal: yes(search['internal']),
      sort: topicSorts.find(each => each === search['sort']),
      descending: yes(search['descending']),
    }),
  component: lazyRouteComponent(() => import('./views/topics.tsx'), 'Topics'),
})

const topic = createRoute({
  getParentRoute: () => root,
  path: '/topics/$topic',
  component: lazyRouteComponent(() => import('./views/topic.tsx'), 'Topic'),
})

const topicIndex = createRoute({
  getParentRoute: () => topic,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/topics/$topic/messages', params: params as { topic: string }, replace: true })
  },
})

/** As the API has them; `key` and `value` are serdes. */
export const filterNames = ['contains', 'header', 'headerHas', 'path', 'pathIs', 'cel', 'key', 'value'] as const
export type FilterName = (typeof filterNames)[number]

const messages = createRoute({
  getParentRoute: () => topic,
  path: '/messages',
  validateSearch: (search: Search) =>
    set({
      /** `newest`, `oldest`, `offset:42`, `time:1700000000000`. */
      from: text(search['from']),
      partition: whole(search['partition']),
      ...(Object.fromEntries(filterNames.map(name => [name, text(search[name])])) as Record<FilterName, string | undefined>),
      live: yes(search['live']),
      /** The record in the drawer: `partition:offset`. */
      open: text(search['open']),
    }),
  component: lazyRouteComponent(() => import('./views/messages.tsx'), 'Messages'),
})

const partitions = createRoute({
  getParentRoute: () => topic,
  path: '/partitions',
  component: lazyRouteComponent(() => import('./views/partitions.tsx'), 'Partitions'),
})

const config = createRoute({
  getParentRoute: () => topic,
  path: '/config',
  validateSearch: (search: Search) => set({ search: text(search['search']), all: yes(search['all']) }),
  component: lazyRouteComponent(() => import('./views/config.tsx'), 'Config'),
})

const topicGroups = createRoute({
  getParentRoute: () => topic,
  path: '/groups',
  component: lazyRouteComponent(() => import('./views/topic-groups.tsx'), 'TopicGroups'),
})

const topicSchema = createRoute({
  getParentRoute: () => topic,
  path: '/schema',
  component: lazyRouteComponent(() => import('./views/topic-schema.tsx'), 'TopicSchema'),
})

const topicAccess = createRoute({
  getParentRoute: () => topic,
  path: '/acl',
  component: lazyRouteComponent(() => import('./views/topic-access.tsx'), 'TopicAccess'),
})

const groups = createRoute({
  getParentRoute: () => root,
  path: '/groups',
  validateSearch: (search: Search) => set({ search: text(search['search']), state: text(search['state']) }),
  component: lazyRouteComponent(() => import('./views/groups.tsx'), 'Groups'),
})

const group = createRoute({
  getParentRoute: () => root,
  path: '/groups/$group',
  component: lazyRouteComponent(() => import('./views/group.tsx'), 'Group'),
})

const groupIndex = createRoute({
  getParentRoute: () => group,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/groups/$group/lag', params: params as { group: string }, replace: true })
  },
})

const lag = createRoute({
  getParentRoute: () => group,
  path: '/lag',
  component: lazyRouteComponent(() => import('./views/group-lag.tsx'), 'Lag'),
})

const members = createRoute({
  getParentRoute: () => group,
  path: '/members',
  component: lazyRouteComponent(() => import('./views/group-members.tsx'), 'Members'),
})

const offsets = createRoute({
  getParentRoute: () => group,
  path: '/offsets',
  component: lazyRouteComponent(() => import('./views/group-offsets.tsx'), 'Offsets'),
})

const groupShare = createRoute({
  getParentRoute: () => group,
  path: '/share',
  component: lazyRouteComponent(() => import('./views/group-share.tsx'), 'GroupShare'),
})

const groupHistory = createRoute({
  getParentRoute: () => group,
  path: '/history',
  component: lazyRouteComponent(() => import('./views/group-history.tsx'), 'GroupHistory'),
})

const schemas = createRoute({
  getParentRoute: () => root,
  path: '/schemas',
  validateSearch: (search: Search) => set({ search: text(search['search']) }),
  component: lazyRouteComponent(() => import('./views/schemas.tsx'), 'Schemas'),
})

const schema = createRoute({
  getParentRoute: () => root,
  path: '/schemas/$subject',
  validateSearch: (search: Search) => set({ version: whole(search['version']), against: whole(search['against']) }),
  component: lazyRouteComponent(() => import('./views/schema.tsx'), 'Schema'),
})

const connectors = createRoute({
  getParentRoute: () => root,
  path: '/connectors',
  validateSearch: (search: Search) => set({ search: text(search['search']) }),
  component: lazyRouteComponent(() => import('./views/connectors/list.tsx'), 'Connectors'),
})

const connector = createRoute({
  getParentRoute: () => root,
  path: '/connectors/$connector',
  component: lazyRouteComponent(() => import('./views/connectors/connector.tsx'), 'Connector'),
})

const connectorIndex = createRoute({
  getParentRoute: () => connector,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/connectors/$connector/status', params: params as { connector: string }, replace: true })
  },
})

const connectorStatus = createRoute({
  getParentRoute: () => connector,
  path: '/status',
  component: lazyRouteComponent(() => import('./views/connectors/status.tsx'), 'ConnectorStatus'),
})

const connectorConfig = createRoute({
  getParentRoute: () => connector,
  path: '/config',
  component: lazyRouteComponent(() => import('./views/connectors/config.tsx'), 'ConnectorConfig'),
})

const connectorOffsets = createRoute({
  getParentRoute: () => connector,
  path: '/offsets',
  component: lazyRouteComponent(() => import('./views/connectors/offsets.tsx'), 'ConnectorOffsets'),
})

/** Not below /connectors, where it could be the name of one. */
const createConnector = createRoute({
  getParentRoute: () => root,
  path: '/create-connector',
  validateSearch: (search: Search) => set({ class: text(search['class']) }),
  component: lazyRouteComponent(() => import('./views/connectors/config.tsx'), 'CreateConnector'),
})

const triggers = createRoute({
  getParentRoute: () => root,
  path: '/triggers',
  validateSearch: (search: Search) => set({ search: text(search['search']) }),
  component: lazyRouteComponent(() => import('./views/triggers/list.tsx'), 'Triggers'),
})

const trigger = createRoute({
  getParentRoute: () => root,
  path: '/triggers/$trigger',
  component: lazyRouteComponent(() => import('./views/triggers/trigger.tsx'), 'Trigger'),
})

const triggerIndex = createRoute({
  getParentRoute: () => trigger,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/triggers/$trigger/activity', params: params as { trigger: string }, replace: true })
  },
})

const triggerActivity = createRoute({
  getParentRoute: () => trigger,
  path: '/activity',
  component: lazyRouteComponent(() => import('./views/triggers/activity.tsx'), 'TriggerActivity'),
})

const triggerFunction = createRoute({
  getParentRoute: () => trigger,
  path: '/function',
  component: lazyRouteComponent(() => import('./views/triggers/form.tsx'), 'TriggerFunction'),
})

const triggerVersions = createRoute({
  getParentRoute: () => trigger,
  path: '/versions',
  validateSearch: (search: Search) => set({ compare: whole(search['compare']) }),
  component: lazyRouteComponent(() => import('./views/triggers/versions.tsx'), 'TriggerVersions'),
})

const triggerLog = createRoute({
  getParentRoute: () => trigger,
  path: '/log',
  component: lazyRouteComponent(() => import('./views/triggers/log.tsx'), 'TriggerLog'),
})

/** Not below /triggers, where it could be the name of one. */
const createTrigger = createRoute({
  getParentRoute: () => root,
  path: '/create-trigger',
  component: lazyRouteComponent(() => import('./views/triggers/form.tsx'), 'CreateTrigger'),
})

const security = createRoute({
  getParentRoute: () => root,
  path: '/security',
  component: lazyRouteComponent(() => import('./views/security.tsx'), 'Security'),
})

const securityIndex = createRoute({
  getParentRoute: () => security,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/security/acls', replace: true })
  },
})

const acls = createRoute({
  getParentRoute: () => security,
  path: '/acls',
  validateSearch: (search: Search) => set({ search: text(search['search']) }),
  component: lazyRouteComponent(() => import('./views/acls.tsx'), 'Acls'),
})

const users = createRoute({
  getParentRoute: () => security,
  path: '/users',
  component: lazyRouteComponent(() => import('./views/users.tsx'), 'Users'),
})

const quotas = createRoute({
  getParentRoute: () => security,
  path: '/quotas',
  component: lazyRouteComponent(() => import('./views/quotas.tsx'), 'Quotas'),
})

const tokens = createRoute({
  getParentRoute: () => security,
  path: '/tokens',
  component: lazyRouteComponent(() => import('./views/tokens.tsx'), 'Tokens'),
})

const transactions = createRoute({
  getParentRoute: () => root,
  path: '/transactions',
  validateSearch: (search: Search) => set({ search: text(search['search']), all: yes(search['all']) }),
  component: lazyRouteComponent(() => import('./views/transactions.tsx'), 'Transactions'),
})

const brokers = createRoute({
  getParentRoute: () => root,
  path: '/brokers',
  component: lazyRouteComponent(() => import('./views/brokers.tsx'), 'Brokers'),
})

const broker = createRoute({
  getParentRoute: () => root,
  path: '/brokers/$id',
  validateSearch: (search: Search) => set({ search: text(search['search']), all: yes(search['all']) }),
  component: lazyRouteComponent(() => import('./views/brokers.tsx'), 'Broker'),
})

const clientMetrics = createRoute({
  getParentRoute: () => root,
  path: '/client-metrics',
  component: lazyRouteComponent(() => import('./views/client-metrics.tsx'), 'ClientMetrics'),
})

const settings = createRoute({
  getParentRoute: () => root,
  path: '/settings',
  component: lazyRouteComponent(() => import('./views/settings.tsx'), 'Settings'),
})

const tree = root.addChildren([
  overview,
  topics,
  topic.addChildren([topicIndex, messages, partitions, topicGroups, config, topicSchema, topicAccess]),
  groups,
  group.addChildren([groupIndex, lag, members, offsets, groupShare, groupHistory]),
  schemas,
  schema,
  connectors,
  connector.addChildren([connectorIndex, connectorStatus, connectorConfig, connectorOffsets]),
  createConnector,
  triggers,
  trigger.addChildren([triggerIndex, triggerActivity, triggerFunction, triggerVersions, triggerLog]),
  createTrigger,
  security.addChildren([securityIndex, acls, users, quotas, tokens]),
  transactions,
  brokers,
  broker,
  clientMetrics,
  settings,
])

export const router = createRouter({
  routeTree: tree,
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultErrorComponent: ({ error, reset }) => <Failed error={error as Error} retry={reset} />,
  // As text, without quotes, and without a number that loses digits.
  parseSearch: search => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch: search => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined)
    return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
  },
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
