/** What the parts of security have in common. */
import { Outlet } from '@tanstack/react-router'
import { Page } from '../ui/page.tsx'

export function Security() {
  return (
    <Page
      title="Security"
      tabs={[
        { title: 'Access', to: '/security/acls' },
        { title: 'Users', to: '/security/users' },
        { title: 'Quotas', to: '/security/quotas' },
        { title: 'Tokens', to: '/security/tokens' },
      ]}
    >
      <Outlet />
    </Page>
  )
}
