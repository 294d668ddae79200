/** How this page looks, and what the console works with. */
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { asked } from '../api.ts'
import { applyTheme, storedTheme, type Theme } from '../theme.ts'
import { Field, Select } from '../ui/button.tsx'
import { Content, Page } from '../ui/page.tsx'
import { Table } from '../ui/table.tsx'

export function Settings() {
  const [theme, setTheme] = useState(storedTheme)
  const session = useQuery(asked('GET /session', {}))
  const rights = useQuery(asked('GET /rights', {}))
  const { data } = session
  return (
    <Page title="Settings">
      <Content>
        <Field label="Colours" hint="Kept in this browser.">
          {id => (
            <Select
              id={id}
              value={theme}
              onChange={event => {
                const next = event.target.value as Theme
                applyTheme(next)
                setTheme(next)
              }}
            >
              <option value="system">as the system</option>
              <option value="light">light</option>
              <option value="dark">dark</option>
            </Select>
          )}
        </Field>
        {data !== undefined && (
          <Table
            label="What the console works with"
            heads={['What', 'Value', 'From']}
            rows={[
              ['You are', data.principal, data.needsLogin ? 'your login' : 'the brokers need no login'],
              ['Your rights on the cluster', rightsOf(rights.data?.cluster ?? null), 'ACLs'],
              ['Cluster', data.cluster, 'the brokers'],
              ['Brokers', data.bootstrap, 'the listener of the broker, or --bootstrap'],
              ['Schema registry', data.registry ? 'known' : 'none', 'schema.registry.url, or the service registry'],
              ['Metrics of the broker', data.metrics ? 'known' : "only what Kafka's protocol tells", 'console.metrics.url'],
            ]}
          />
        )}
      </Content>
    </Page>
  )
}

function rightsOf(cluster: readonly string[] | null): string {
  if (cluster === null) return 'the cluster does not say'
  return cluster.map(each => each.toLowerCase()).join(', ') || 'none'
}
