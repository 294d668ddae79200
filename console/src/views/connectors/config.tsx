/** To make a connector, and to change one: its configuration as a form that derives from what the worker says of each key, or as JSON. */
import { useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { asked, call, type Output } from '../../api.ts'
import { useRefresh } from '../../refresh.ts'
import { useRights } from '../../rights.ts'
import { Content, LinkButton, Page } from '../../ui/page.tsx'
import { Failed, Loading } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { useConnector } from './connector.tsx'
import css from './connectors.module.css'
import { ConnectorForm } from './form.tsx'

export function ConnectorConfig() {
  const { connector } = getRouteApi('/connectors/$connector/config').useParams()
  const { data } = useConnector(connector)
  const may = useRights({})
  const refresh = useRefresh('/connectors')
  const navigate = useNavigate()
  if (data === undefined) return <Loading />
  // What a form needs to know of the keys is for who may change them.
  if (!may('cluster', 'ALTER')) return <Shown config={data.config} />
  const save = async (config: Record<string, string>) => {
    await call('PUT /connectors/:connector/config', { params: { connector }, body: { config } })
    await refresh()
    await navigate({ to: '/connectors/$connector/status', params: { connector } })
  }
  const { name: _, ...config } = data.config
  // Once it is shown the form has a life of its own: it does not change while somebody types.
  return (
    <ConnectorForm
      key={connector}
      name={connector}
      className={data.class}
      config={config}
      action="Save"
      onSave={(_name, changed) => save(changed)}
    />
  )
}

function Shown({ config }: { config: Readonly<Record<string, string>> }) {
  const cell = (text: string) => (
    <span key={text} className={css['why']}>
      {text}
    </span>
  )
  return (
    <Content>
      <p className={css['note']}>To change it needs ALTER on the cluster.</p>
      <Table label="Configuration" heads={['Key', 'Value']} rows={Object.entries(config).map(([key, value]) => [key, cell(value)])} />
    </Content>
  )
}

export function CreateConnector() {
  const { class: chosen } = getRouteApi('/create-connector').useSearch()
  const plugins = useQuery({ ...asked('GET /connector-plugins', {}), staleTime: 60_000 })
  const title = chosen === undefined ? 'New connector' : `New connector: ${chosen}`
  if (plugins.isPending)
    return (
      <Page title={title}>
        <Loading />
      </Page>
    )
  if (plugins.isError)
    return (
      <Page title={title}>
        <Failed error={plugins.error} retry={() => void plugins.refetch()} needs="DESCRIBE on the cluster" />
      </Page>
    )
  if (chosen === undefined)
    return (
      <Page title={title} facts={['which system?']}>
        <Choices connectors={plugins.data.connectors} />
      </Page>
    )
  const kind = plugins.data.connectors.find(each => each.class === chosen)?.kind ?? 'unknown'
  return (
    <Page
      title={title}
      facts={[kind]}
      actions={
        <LinkButton kind="plain" to="/create-connector" search={{}}>
          Another system
        </LinkButton>
      }
    >
      <Beginning key={chosen} className={chosen} />
    </Page>
  )
}

function Choices({ connectors }: Pick<Output<'GET /connector-plugins'>, 'connectors'>) {
  const sides = [
    { kind: 'sink', title: 'From topics into another system' },
    { kind: 'source', title: 'From another system into topics' },
  ]
  return (
    <div className={css['choices']}>
      {sides.map(({ kind, title }) => (
        <section key={kind} aria-label={title}>
          <h2 className={css['heading']}>{title}</h2>
          <ul>
            {connectors
              .filter(each => each.kind === kind)
              .map(({ class: name, version }) => (
                <li key={name}>
                  <Link to="/create-connector" search={{ class: name }} className={css['choice']}>
                    {name}
                    {name.includes('.') && version !== null && <span className={css['note']}> {version}</span>}
                  </Link>
                </li>
              ))}
          </ul>
        </section>
      ))}
    </div>
  )
}

/** Records of most topics are JSON or text without schemas, which the worker's own defaults do not expect. */
const usual = { 'key.converter': 'string', 'value.converter': 'json', 'value.converter.schemas.enable': 'false' }

function Beginning({ className }: { className: string }) {
  const about = useQuery({
    ...asked('GET /connector-plugins/:class', { params: { class: className } }),
    staleTime: Number.POSITIVE_INFINITY,
  })
  const refresh = useRefresh('/connectors')
  const navigate = useNavigate()
  if (about.isPending) return <Loading />
  const create = async (name: string, config: Record<string, string>) => {
    await call('POST /connectors', { body: { name, config } })
    await refresh()
    await navigate({ to: '/connectors/$connector', params: { connector: name } })
  }
  const { summary = null, example = {}, formats } = about.data ?? {}
  return (
    <ConnectorForm
      name={null}
      className={className}
      summary={summary}
      config={{ ...(formats ?? usual), ...example, 'connector.class': className }}
      action="Create"
      onSave={create}
    />
  )
}
