/** The places: each view is a URL, with its filters and its order as query parameters. Views are loaded when they are first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router'
import { Shell } from './shell/shell.tsx'
import { NoSuchPlace } from './ui/states.tsx'

type Search = Record<string, unknown>

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
const yes = (value: unknown) => (value === true ? true : undefined)
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

const messages = createRoute({
  getParentRoute: () => topic,
  path: '/messages',
  validateSearch: (search: Search) =>
    set({
      /** `newest`, `oldest`, `offset:42`, `time:1700000000000`. */
      from: text(search['from']),
      partition: typeof search['partition'] === 'number' ? search['partition'] : undefined,
      contains: search['contains'] === undefined ? undefined : text(String(search['contains'])),
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

const tree = root.addChildren([
  overview,
  topics,
  topic.addChildren([topicIndex, messages, partitions, config]),
  groups,
  group.addChildren([groupIndex, lag, members]),
])

export const router = createRouter({ routeTree: tree, defaultPreload: 'intent', scrollRestoration: true })

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
