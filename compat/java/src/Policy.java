import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.*;

/** Since 2.8: quotas and credentials by the admin client. */
final class Policy {
  static void all() throws Exception {
    Kit.check("admin-quotas", Policy::quotas);
    Kit.check("admin-scram", Policy::scram);
  }

  private static void alter(Admin admin, ClientQuotaEntity entity, String key, Double value) throws Exception {
    Wide.get(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op(key, value))))).all());
  }

  private static Map<ClientQuotaEntity, Map<String, Double>> quotas(Admin admin, ClientQuotaFilterComponent... components) throws Exception {
    return Wide.get(admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(components))).entities());
  }

  static void quotas() throws Exception {
    String user = Kit.unique("user"), client = Kit.unique("client");
    ClientQuotaEntity both = new ClientQuotaEntity(Map.of("user", user, "client-id", client)), alone = new ClientQuotaEntity(Map.of("user", user));
    ClientQuotaEntity ip = new ClientQuotaEntity(Map.of("ip", "198.51.100.7"));
    try (Admin admin = Admin.create(Kit.properties())) {
      alter(admin, both, "producer_byte_rate", 1e6);
      alter(admin, both, "request_percentage", 50.5);
      alter(admin, alone, "consumer_byte_rate", 2e6);
      alter(admin, ip, "connection_creation_rate", 100.0);
      ClientQuotaFilterComponent ofUser = ClientQuotaFilterComponent.ofEntity("user", user);
      Kit.until("they are there", () -> !quotas(admin, ClientQuotaFilterComponent.ofEntity("ip", "198.51.100.7")).isEmpty());
      Kit.equal(quotas(admin, ofUser), Map.of(alone, Map.of("consumer_byte_rate", 2e6)));
      Kit.equal(quotas(admin, ofUser, ClientQuotaFilterComponent.ofEntity("client-id", client)), Map.of(both, Map.of("producer_byte_rate", 1e6, "request_percentage", 50.5)));
      Kit.equal(Wide.get(admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ofUser))).entities()).keySet(), Set.of(alone, both));
      Wide.fails(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(alone, List.of(new ClientQuotaAlteration.Op("no_such_rate", 1.0))))).all(), InvalidRequestException.class);
      alter(admin, alone, "consumer_byte_rate", null);
      alter(admin, ip, "connection_creation_rate", null);
      Kit.until("it is gone", () -> quotas(admin, ofUser).isEmpty());
    }
  }

  static void scram() throws Exception {
    String user = Kit.unique("user");
    ScramCredentialInfo weak = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), strong = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192);
    try (Admin admin = Admin.create(Kit.properties())) {
      // One request may not name a user twice.
      for (ScramCredentialInfo each : List.of(weak, strong)) Wide.get(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, each, "secret"))).all());
      Kit.until("it is there", () -> Wide.get(admin.describeUserScramCredentials().users()).contains(user));
      Kit.until("both are", () -> Set.copyOf(Wide.get(admin.describeUserScramCredentials(List.of(user)).all()).get(user).credentialInfos()).equals(Set.of(weak, strong)));
      Wide.fails(admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 100), "secret"))).all(), UnacceptableCredentialException.class);
      for (ScramMechanism each : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) Wide.get(admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, each))).all());
      Kit.until("they are gone", () -> !Wide.get(admin.describeUserScramCredentials().users()).contains(user));
      Wide.fails(admin.describeUserScramCredentials(List.of(user)).description(user), ResourceNotFoundException.class);
      Wide.fails(admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all(), ResourceNotFoundException.class);
    }
  }
}
