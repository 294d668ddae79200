/** The brokers, one of them with its configuration, and the defaults of all. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { asked } from '../api.ts'
import { Page } from '../ui/page.tsx'
import { Failed, Loading } from '../ui/states.tsx'
import { BrokerTable } from './broker-table.tsx'
import { brokerTabs } from './broker-tabs.ts'
import { ConfigTable } from './config-table.tsx'
import css from './overview.module.css'

export function Brokers() {
  const session = useQuery(asked('GET /session', {}))
  return (
    <Page title="Brokers" tabs={brokerTabs}>
      <div className={css['overview']}>
        {session.data === undefined ? (
          session.isError ? (
            <Failed error={session.error} retry={() => void session.refetch()} />
          ) : (
            <Loading rows={3} />
          )
        ) : (
          <>
            <BrokerTable brokers={session.data.brokers} />
            <p>
              <Link to="/brokers/$id" params={{ id: 'default' }}>
                Configuration of all brokers
              </Link>
            </p>
            <p className={css['note']}>What is set there counts on each broker that has nothing of its own.</p>
          </>
        )}
      </div>
    </Page>
  )
}

const one = getRouteApi('/brokers/$id')

export function Broker() {
  const { id } = one.useParams()
  const { search = '', all = false } = one.useSearch()
  const navigate = useNavigate({ from: '/brokers/$id' })
  const session = useQuery(asked('GET /session', {}))
  const rights = useQuery({ ...asked('GET /rights', {}), staleTime: 60_000 })
  const broker = session.data?.brokers.find(each => String(each.id) === id)
  const isDefault = id === 'default'
  return (
    <Page
      title={isDefault ? 'All brokers' : `Broker ${id}`}
      facts={broker === undefined ? [] : [`${broker.host}:${broker.port}`, ...(broker.controller ? ['controller'] : [])]}
    >
      <ConfigTable
        of={{ kind: 'brokers', name: id }}
        label={isDefault ? 'Configuration of all brokers' : `Configuration of broker ${id}`}
        search={search}
        all={all}
        onSearch={(text, every) => void navigate({ replace: true, search: { search: text, all: every } as never })}
        may={rights.data?.cluster ?? null}
      />
    </Page>
  )
}
