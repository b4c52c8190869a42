//! The kinds of request: names, and where what is asked for stands in them. The layouts are those of Kafka's own message definitions
//! (`clients/src/main/resources/common/message`), as far as the last field that is asked for.

use super::layout::Kind::{
    Acks, Bytes, End, Epoch, Error, Group, List, Mechanism, Numbers, Producer, Records, Skip, Text, Topic, TopicId,
};
use super::layout::{Field, all, between, since, until};

/// Asks for the versions of all kinds.
pub const API_VERSIONS: i16 = 18;

/// One kind of request.
#[derive(Debug)]
pub struct Api {
    /// Its number.
    pub key: i16,
    /// As Kafka names it.
    pub name: &'static str,
    /// The first version with variable lengths and tags (KIP-482).
    flexible: i16,
    pub(super) request: &'static [Field],
    pub(super) answer: &'static [Field],
}

impl Api {
    /// Whether its answers are known to tell what went wrong.
    #[must_use]
    pub fn tells_errors(&self) -> bool {
        !self.answer.is_empty()
    }
}

const fn row(key: i16, name: &'static str, flexible: i16, request: &'static [Field], answer: &'static [Field]) -> Api {
    Api { key, name, flexible, request, answer }
}

/// Never.
const NO: i16 = i16::MAX;
const GROUP: &[Field] = &[all(Group)];
/// Topics, of which the first one is told.
const TOPICS: &[Field] = &[all(List(&[all(Topic), all(End)]))];
/// An error, behind the time that the client was held up.
const HELD_UP: &[Field] = &[all(Skip(4)), all(Error)];
/// The same, where the first version did not tell the time.
const HELD_UP_SINCE_1: &[Field] = &[since(1, Skip(4)), all(Error)];
/// Topics with an error for each partition, behind the time.
const PARTITIONS: &[Field] = &[all(Skip(4)), all(List(&[all(Topic), all(List(&[all(Skip(4)), all(Error)]))]))];

/// The kinds of request, by number.
#[rustfmt::skip]
pub const API: &[Api] = &[
    row(0, "Produce", 9,
        &[since(3, Text), all(Acks), all(Skip(4)), all(List(&[until(12, Topic), since(13, TopicId), all(List(&[all(Skip(4)), all(Records)]))]))],
        &[all(List(&[until(12, Topic), since(13, TopicId), all(List(&[
            all(Skip(4)), all(Error), all(Skip(8)), since(2, Skip(8)), since(5, Skip(8)), since(8, List(&[all(Skip(4)), all(Text)])), since(8, Text)]))]))]),
    row(1, "Fetch", 12,
        &[until(14, Skip(4)), all(Skip(8)), since(3, Skip(4)), since(4, Skip(1)), since(7, Skip(4)), since(7, Epoch), all(List(&[until(12, Topic), since(13, TopicId), all(List(&[
            all(Skip(4)), since(9, Skip(4)), all(Skip(8)), since(12, Skip(4)), since(5, Skip(8)), all(Skip(4))]))]))],
        &[since(1, Skip(4)), since(7, Error), since(7, Skip(4)), all(List(&[until(12, Topic), since(13, TopicId), all(List(&[
            all(Skip(4)), all(Error), all(Skip(8)), since(4, Skip(8)), since(5, Skip(8)), since(4, List(&[all(Skip(16))])), since(11, Skip(4)), all(Records)]))]))]),
    row(2, "ListOffsets", 6,
        &[all(Skip(4)), since(2, Skip(1)), all(List(&[all(Topic), all(List(&[all(Skip(4)), since(4, Skip(4)), all(Skip(8)), until(0, Skip(4))]))]))],
        &[since(2, Skip(4)), all(List(&[all(Topic), all(List(&[all(Skip(4)), all(Error), until(0, Numbers(8)), since(1, Skip(16)), since(4, Skip(4))]))]))]),
    row(3, "Metadata", 9,
        &[all(List(&[since(10, TopicId), all(Topic)]))],
        &[since(3, Skip(4)), all(List(&[all(Skip(4)), all(Text), all(Skip(4)), since(1, Text)])), since(2, Text), since(1, Skip(4)), all(List(&[
            all(Error), all(Topic), since(10, TopicId), since(1, Skip(1)), all(List(&[all(Error), all(Skip(8)), since(7, Skip(4)),
                all(Numbers(4)), all(Numbers(4)), since(5, Numbers(4))])), since(8, Skip(4))]))]),
    row(8, "OffsetCommit", 8,
        &[all(Group), since(1, Skip(4)), since(1, Text), since(7, Text), between(2, 4, Skip(8)), all(List(&[all(Topic), all(List(&[
            all(Skip(12)), since(6, Skip(4)), between(1, 1, Skip(8)), all(Text)]))]))],
        &[since(3, Skip(4)), all(List(&[all(Topic), all(List(&[all(Skip(4)), all(Error)]))]))]),
    row(9, "OffsetFetch", 6,
        &[until(7, Group), until(7, List(&[all(Topic), all(Numbers(4))])), since(8, List(&[all(Group), since(9, Text), since(9, Skip(4)), all(List(&[all(Topic), all(Numbers(4))]))]))],
        &[since(3, Skip(4)), until(7, List(&[all(Topic), all(List(&[all(Skip(12)), since(5, Skip(4)), all(Text), all(Error)]))])), between(2, 7, Error)]),
    row(10, "FindCoordinator", 3, &[until(3, Group), since(1, Skip(1)), since(4, List(&[all(Group)]))],
        &[since(1, Skip(4)), until(3, Error), since(4, List(&[all(Text), all(Skip(4)), all(Text), all(Skip(4)), all(Error), all(Text)]))]),
    row(11, "JoinGroup", 6, GROUP, &[since(2, Skip(4)), all(Error)]),
    row(12, "Heartbeat", 4, GROUP, HELD_UP_SINCE_1),
    row(13, "LeaveGroup", 4, GROUP, HELD_UP_SINCE_1),
    row(14, "SyncGroup", 4, GROUP, HELD_UP_SINCE_1),
    row(15, "DescribeGroups", 5, &[all(List(&[all(Group)]))], &[since(1, Skip(4)), all(List(&[all(Error)]))]),
    row(16, "ListGroups", 3, &[], HELD_UP_SINCE_1),
    row(17, "SaslHandshake", NO, &[all(Mechanism)], &[all(Error)]),
    row(API_VERSIONS, "ApiVersions", 3, &[], &[all(Error)]),
    row(19, "CreateTopics", 5, TOPICS, &[since(2, Skip(4)), all(List(&[
        all(Topic), since(7, TopicId), all(Error), since(1, Text), since(5, Skip(6)), since(5, List(&[all(Text), all(Text), all(Skip(3))]))]))]),
    row(20, "DeleteTopics", 4, &[until(5, List(&[all(Topic)])), since(6, List(&[all(Topic), all(TopicId)]))],
        &[since(1, Skip(4)), all(List(&[all(Topic), since(6, TopicId), all(Error), since(5, Text)]))]),
    row(21, "DeleteRecords", 2, TOPICS, &[all(Skip(4)), all(List(&[all(Topic), all(List(&[all(Skip(12)), all(Error)]))]))]),
    row(22, "InitProducerId", 2, GROUP, &[all(Skip(4)), all(Error), all(Producer)]),
    row(23, "OffsetForLeaderEpoch", 4, &[since(3, Skip(4)), all(List(&[all(Topic), all(List(&[all(Skip(8)), since(2, Skip(4))]))]))], &[]),
    row(24, "AddPartitionsToTxn", 3, &[until(3, Group), until(3, Skip(10)), until(3, List(&[all(Topic), all(Numbers(4))]))],
        &[all(Skip(4)), since(4, Error), until(3, List(&[all(Topic), all(List(&[all(Skip(4)), all(Error)]))]))]),
    row(25, "AddOffsetsToTxn", 3, GROUP, HELD_UP),
    row(26, "EndTxn", 3, GROUP, HELD_UP),
    row(28, "TxnOffsetCommit", 3, &[all(Text), all(Group), all(Skip(10)), since(3, Skip(4)), since(3, Text), since(3, Text), all(List(&[all(Topic), all(List(&[all(Skip(12)), since(2, Skip(4)), all(Text)]))]))], PARTITIONS),
    row(29, "DescribeAcls", 2, &[], HELD_UP),
    row(30, "CreateAcls", 2, &[], &[all(Skip(4)), all(List(&[all(Error), all(Text)]))]),
    row(31, "DeleteAcls", 2, &[], &[all(Skip(4)), all(List(&[all(Error)]))]),
    row(32, "DescribeConfigs", 4, &[], &[all(Skip(4)), all(List(&[all(Error)]))]),
    row(33, "AlterConfigs", 2, &[], &[all(Skip(4)), all(List(&[all(Error), all(Text), all(Skip(1)), all(Text)]))]),
    row(35, "DescribeLogDirs", 2, TOPICS, &[all(Skip(4)), since(3, Error)]),
    row(36, "SaslAuthenticate", 2, &[], &[all(Error)]),
    row(37, "CreatePartitions", 2, TOPICS, &[all(Skip(4)), all(List(&[all(Topic), all(Error), all(Text)]))]),
    row(38, "CreateDelegationToken", 2, &[], &[all(Error)]),
    row(39, "RenewDelegationToken", 2, &[], &[all(Error)]),
    row(40, "ExpireDelegationToken", 2, &[], &[all(Error)]),
    row(41, "DescribeDelegationToken", 2, &[], &[all(Error)]),
    row(42, "DeleteGroups", 2, &[all(List(&[all(Group)]))], &[all(Skip(4)), all(List(&[all(Group), all(Error)]))]),
    row(43, "ElectLeaders", 2, &[], &[all(Skip(4)), since(1, Error)]),
    row(44, "IncrementalAlterConfigs", 1, &[], &[all(Skip(4)), all(List(&[all(Error), all(Text), all(Skip(1)), all(Text)]))]),
    row(45, "AlterPartitionReassignments", 0, &[], HELD_UP),
    row(46, "ListPartitionReassignments", 0, &[], HELD_UP),
    row(47, "OffsetDelete", NO, GROUP, &[all(Error)]),
    row(48, "DescribeClientQuotas", 1, &[], HELD_UP),
    row(49, "AlterClientQuotas", 1, &[], &[all(Skip(4)), all(List(&[all(Error), all(Text)]))]),
    row(50, "DescribeUserScramCredentials", 0, &[], HELD_UP),
    row(51, "AlterUserScramCredentials", 0, &[], &[all(Skip(4)), all(List(&[all(Text), all(Error), all(Text)]))]),
    row(57, "UpdateFeatures", 0, &[], HELD_UP),
    row(60, "DescribeCluster", 0, &[], HELD_UP),
    row(61, "DescribeProducers", 0, TOPICS, &[]),
    row(65, "DescribeTransactions", 0, &[all(List(&[all(Group)]))], &[all(Skip(4)), all(List(&[all(Error)]))]),
    row(66, "ListTransactions", 0, &[], HELD_UP),
    row(68, "ConsumerGroupHeartbeat", 0, GROUP, HELD_UP),
    row(69, "ConsumerGroupDescribe", 0, &[all(List(&[all(Group)]))], &[all(Skip(4)), all(List(&[all(Error)]))]),
    row(71, "GetTelemetrySubscriptions", 0, &[], HELD_UP),
    row(72, "PushTelemetry", 0, &[all(Skip(21)), all(Text), all(Bytes)], HELD_UP),
    row(75, "DescribeTopicPartitions", 0, TOPICS, &[]),
];

/// The kind with this number.
#[must_use]
pub fn api(key: i16) -> Option<&'static Api> {
    API.iter().find(|api| api.key == key)
}

/// Whether a version has variable lengths and tags.
pub(super) fn is_flexible(key: i16, version: i16) -> bool {
    api(key).is_some_and(|api| version >= api.flexible)
}

/// Errors by number, from 0.
const ERRORS: &[&str] = &[
    "NONE",
    "OFFSET_OUT_OF_RANGE",
    "CORRUPT_MESSAGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "INVALID_FETCH_SIZE",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "BROKER_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE",
    "MESSAGE_TOO_LARGE",
    "STALE_CONTROLLER_EPOCH",
    "OFFSET_METADATA_TOO_LARGE",
    "NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "INVALID_TOPIC_EXCEPTION",
    "RECORD_LIST_TOO_LARGE",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "INVALID_REQUIRED_ACKS",
    "ILLEGAL_GENERATION",
    "INCONSISTENT_GROUP_PROTOCOL",
    "INVALID_GROUP_ID",
    "UNKNOWN_MEMBER_ID",
    "INVALID_SESSION_TIMEOUT",
    "REBALANCE_IN_PROGRESS",
    "INVALID_COMMIT_OFFSET_SIZE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_TIMESTAMP",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "UNSUPPORTED_VERSION",
    "TOPIC_ALREADY_EXISTS",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_REPLICA_ASSIGNMENT",
    "INVALID_CONFIG",
    "NOT_CONTROLLER",
    "INVALID_REQUEST",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "POLICY_VIOLATION",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "DUPLICATE_SEQUENCE_NUMBER",
    "INVALID_PRODUCER_EPOCH",
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_ID_MAPPING",
    "INVALID_TRANSACTION_TIMEOUT",
    "CONCURRENT_TRANSACTIONS",
    "TRANSACTION_COORDINATOR_FENCED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "SECURITY_DISABLED",
    "OPERATION_NOT_ATTEMPTED",
    "KAFKA_STORAGE_ERROR",
    "LOG_DIR_NOT_FOUND",
    "SASL_AUTHENTICATION_FAILED",
    "UNKNOWN_PRODUCER_ID",
    "REASSIGNMENT_IN_PROGRESS",
];

/// Kafka's own name of an error; `None` for those behind the first sixty, which go by number.
#[must_use]
pub fn error_name(error: i16) -> Option<&'static str> {
    usize::try_from(error).ok().and_then(|error| ERRORS.get(error).copied())
}
